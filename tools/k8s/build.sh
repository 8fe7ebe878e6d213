#!/bin/sh
# Builds kube-apiserver, kube-controller-manager and kubectl (one binary, `k8s`) and `etcd` from Go
# modules, once per version, into a cache. The last line on stdout is the directory they are in; all
# progress goes to stderr. README.md has the measured costs.
#
# Exit code 75: Go or the modules cannot be had from here (no network, no proxy). The caller skips
# the tests that need a real API server, and says so. Any other failure is 1.
set -eu

caller=$PWD
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"

# Said by `k8s --version` and GET /version: without it clients meet v0.0.0-master and misbehave.
# Debian's awk is mawk: plain POSIX only.
version=$(awk '$1 == "k8s.io/kubernetes" {print $2}' go.mod)
minor=$(echo "$version" | cut -d. -f2)
stamp=k8s.io/component-base/version
ldflags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$minor -X $stamp.gitTreeState=clean"

key=$(cat go.mod go.sum main.go etcd/go.mod etcd/go.sum etcd/main.go build.sh | sha256sum | cut -c1-16)
cache=${BLASTDOOR_CACHE:-${HOME:?}/.cache/blastdoor}/k8s
case $cache in /*) ;; *) cache=$caller/$cache ;; esac
out=$cache/$key

say() { echo "k8s: $*" >&2; }
finished() { [ -x "$out/k8s" ] && [ -x "$out/etcd" ]; }
deliver() { echo "$out"; exit 0; }

finished && deliver
mkdir -p "$cache"
exec 9>"$cache/.lock" # two builds at once would only fight for the same cores
flock -n 9 || { say "another build is running; waiting for it"; flock 9; }
finished && deliver

go=$(./go.sh)
# Nothing from the caller's environment may change the build.
export GOFLAGS=-buildvcs=false GOWORK=off GOTOOLCHAIN=auto CGO_ENABLED=0
started=$(date +%s)
work=$(mktemp -d "$cache/.building.XXXXXX")
beat=
stop_beat() {
	if [ -n "$beat" ]; then kill "$beat" 2>/dev/null || true; fi
	beat=
}
trap 'stop_beat; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

elapsed() { echo "$(($(date +%s) - started)) s"; }

# heartbeat WHAT LOG TOTAL: a line each 15 s, so that nobody takes a long build for a hang.
heartbeat() {
	# The sleep outlives us by seconds: it must hold none of the caller's pipes open.
	while sleep 15 >/dev/null 2>&1; do
		say "$1, $(elapsed): $(wc -l <"$2") of at most $3 packages"
	done 9>&- &
	beat=$!
}

# fail LOG WHAT: 75 when the log speaks of the network, 1 when it is our own fault.
fail() {
	tail -n 15 "$1" >&2
	if grep -qE 'dial tcp|no such host|i/o timeout|connection re|unreachable|TLS handshake|proxyconnect|unexpected EOF|50[0234] |module lookup disabled' "$1"; then
		say "$2 failed: the Go module proxy ($("$go" env GOPROXY)) cannot be reached"
		exit 75
	fi
	say "$2 failed"
	exit 1
}

# build MODULE_DIRECTORY OUTPUT LDFLAGS
build() {
	cd "$here/$1"
	name=$(basename "$2")
	log=$work/$name.log
	say "$name: fetching modules"
	heartbeat "$name: fetching modules" "$log" "?"
	"$go" list -deps . >"$work/deps" 2>"$log" || fail "$log" "$name: fetching modules"
	stop_beat
	say "$name: compiling, $(elapsed)"
	: >"$log"
	heartbeat "$name: compiling" "$log" "$(wc -l <"$work/deps")"
	"$go" build -v -trimpath -ldflags "$3" -o "$2" . >"$log" 2>&1 || fail "$log" "$name: compiling"
	stop_beat
	say "$name: $(du -m "$2" | cut -f1) MB, $(elapsed)"
}

say "building Kubernetes $version and etcd: some minutes the first time, then never again"
build etcd "$work/etcd" "-s -w"
build . "$work/k8s" "$ldflags"
mkdir -p "$out"
mv "$work/k8s" "$work/etcd" "$out/"
deliver

#!/bin/sh
# Prints the path of a `go` that can build the Go modules of this repository, installing one if it
# must. Everything but that path goes to stderr.
#
#   1. Any go >= 1.21 will do: from then on go fetches by itself the version that go.mod asks for.
#   2. Debian 12 has Go 1.19, which cannot. But a Go release is also published as an ordinary
#      module, so 1.19 downloads that (checked against the checksum database) and is done.
#
# Exit code 75 (EX_TEMPFAIL): no Go and no way to one from here. Callers skip what needs Go, loudly.
set -eu

RELEASE=1.26.8 # what step 2 fetches; keep it at least at the `go` lines of the go.mod files

say() { echo "go.sh: $*" >&2; }
unavailable() { say "$*"; exit 75; }

# minor GO: the minor version of a Go 1 (Debian's 1.19 prints "go1.19.8"); 0 if it does not run.
minor() {
	version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || version=
	case $version in
	go1.*) version=${version#go1.} && echo "${version%%[!0-9]*}" ;;
	*) echo 0 ;;
	esac
}

find_go() {
	for go in ${GO:-} go /usr/local/go/bin/go /usr/lib/go/bin/go /usr/lib/go-*/bin/go; do
		path=$(command -v "$go" 2>/dev/null) || continue
		[ "$(minor "$path")" -ge "$1" ] && echo "$path" && return 0
	done
	return 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_debian_go() {
	command -v apt-get >/dev/null || unavailable "no go >= 1.21 in PATH, and this is no Debian to install one on"
	say "installing Debian's golang-go, to fetch Go $RELEASE with it"
	log=$(mktemp)
	if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends golang-go ca-certificates; } >"$log" 2>&1; then
		tail -n 5 "$log" >&2
		unavailable "could not install golang-go"
	fi
	rm -f "$log"
}

platform() {
	case $(uname -m) in
	x86_64) echo linux-amd64 ;;
	aarch64) echo linux-arm64 ;;
	*) unavailable "no Go release known for $(uname -m)" ;;
	esac
}

# fetch_release OLD_GO: downloads Go $RELEASE as a module and prints the path of its go.
fetch_release() {
	module=golang.org/toolchain@v0.0.1-go$RELEASE.$(platform)
	dir=$("$1" env GOMODCACHE)/$module
	if [ ! -x "$dir/bin/go" ]; then
		say "fetching Go $RELEASE with $("$1" version)"
		scratch=$(mktemp -d) # outside of any module: no go.mod has a say
		(cd "$scratch" && GOFLAGS=-mod=mod GOWORK=off GO111MODULE=on "$1" mod download "$module") >&2 || {
			rm -rf "$scratch"
			unavailable "could not download Go $RELEASE from the module proxy ($("$1" env GOPROXY))"
		}
		rm -rf "$scratch"
		# Module files are never executable, and the module cache is read-only.
		chmod -R u+w "$dir/bin" "$dir/pkg/tool"
		chmod -R +x "$dir/pkg/tool"
		chmod +x "$dir/bin/gofmt" "$dir/bin/go" # last: its bit says that the rest is done
	fi
	echo "$dir/bin/go"
}

find_go 21 && exit 0
old=$(find_go 16) || { install_debian_go && old=$(find_go 16); } || unavailable "no usable go after installing golang-go"
good=$(fetch_release "$old")
[ "$(minor "$good")" -ge 21 ] || unavailable "$good does not run"
echo "$good"

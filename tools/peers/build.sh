#!/bin/sh
# Builds the programs of others that the protocol tests talk to, once per version, into a cache: h2spec
# and h2specd, the gRPC interoperability client and server (Go modules), and the WebSocket package `ws`
# (npm). The last line on stdout is the directory they are in; all progress goes to stderr.
#
# Exit code 75: Go or the modules cannot be had from here. The caller skips the tests that need them,
# and says so. Any other failure is 1. Without npm or its registry only node_modules/ is missing.
set -eu

caller=$PWD
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"

key=$(cat go.mod go.sum package-lock.json build.sh | sha256sum | cut -c1-16)
cache=${BLASTDOOR_CACHE:-${HOME:?}/.cache/blastdoor}/peers
case $cache in /*) ;; *) cache=$caller/$cache ;; esac
out=$cache/$key

say() { echo "peers: $*" >&2; }
finished() { [ -x "$out/h2spec" ] && [ -x "$out/grpc-server" ]; }
unreachable='dial tcp|no such host|i/o timeout|connection re|unreachable|TLS handshake|proxyconnect|unexpected EOF|50[0234] |module lookup disabled'

# The registry may have been away when the rest was built.
websocket() {
	[ ! -d "$out/node_modules/ws" ] || return 0
	command -v npm >/dev/null || { say "no npm: the WebSocket tests will skip"; return 0; }
	cp package.json package-lock.json "$out/"
	(cd "$out" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) || {
		rm -rf "$out/node_modules"
		say "npm ci failed: the WebSocket tests will skip: $(tail -n 1 "$out/npm.log")"
	}
}
deliver() { websocket; echo "$out"; exit 0; }

mkdir -p "$cache"
exec 9>"$cache/.lock" # two builds at once would only fight for the same cores
flock -n 9 || { say "another build is running; waiting for it"; flock 9; }
! finished || deliver

go=$(../k8s/go.sh)
export GOFLAGS=-buildvcs=false GOWORK=off GOTOOLCHAIN=auto CGO_ENABLED=0
work=$(mktemp -d "$cache/.building.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say "building h2spec and the gRPC interoperability programs: 3 minutes the first time, then never again"
if ! "$go" build -trimpath -ldflags "-s -w" -o "$work/" tool >"$work/log" 2>&1; then
	tail -n 15 "$work/log" >&2
	grep -qE "$unreachable" "$work/log" && { say "the Go module proxy cannot be reached"; exit 75; }
	say "the build failed"
	exit 1
fi
mkdir -p "$out"
mv "$work/client" "$out/grpc-client"
mv "$work/server" "$out/grpc-server"
mv "$work/h2spec" "$work/h2specd" "$out/"
deliver

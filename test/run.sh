#!/bin/sh
# Runs the end-to-end tests: builds the real Kubernetes binaries (cached after the first time), then
# all Go tests of this module. Arguments go to `go test`: ./test/run.sh -run TestKube -v
#
#   BLASTDOOR_BIN        the binary under test; default build/blastdoor
#   BLASTDOOR_K8S_BIN    a directory with k8s and etcd; default: built by tools/k8s/build.sh
#   BLASTDOOR_PEERS_BIN  a directory with the programs of others; default: built by tools/peers/build.sh
#   BLASTDOOR_TEST_SLOW  stretches time limits, for sanitizer builds: 5
#
# Exit code 75: there is no Go and no way to get one; nothing was tested. Where only modules cannot be
# had, the tests of files and processes run all the same, and this says what is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
say() { echo "e2e: $*" >&2; }

loud() {
	say "######################################################################"
	for line in "$@"; do say "# $line"; done
	say "######################################################################"
}

go=$("$root/tools/k8s/go.sh") || {
	code=$?
	loud "NO END-TO-END TESTS: no Go toolchain, and none can be fetched (see above)"
	exit $code
}
export GOFLAGS=-buildvcs=false GOWORK=off GOTOOLCHAIN=auto CGO_ENABLED=0
export BLASTDOOR_BIN="${BLASTDOOR_BIN:-$root/build/blastdoor}"
case $BLASTDOOR_BIN in /*) ;; *) BLASTDOOR_BIN=$PWD/$BLASTDOOR_BIN ;; esac # go test changes folders
[ -x "$BLASTDOOR_BIN" ] || { say "no binary to test at $BLASTDOOR_BIN (make build)"; exit 1; }

no_modules() {
	grep -qE 'dial tcp|no such host|unreachable|proxyconnect|i/o timeout|module lookup disabled' "$1"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

cd "$here"
packages=./...
skip_kubernetes() {
	unset BLASTDOOR_K8S_BIN
	# The others need nothing but Go's own library, and the property test the module of HTTP/2.
	packages=$("$go" list ./... | grep -vE "/(kube|cluster|foreign|protocols)$") || packages="./e2e ./property"
	"$go" vet ./property >/dev/null 2>&1 || packages=$(printf '%s\n' $packages | grep -v '/property$')
	loud "THE KUBERNETES TIER AND THE PROTOCOLS ARE SKIPPED: the Go module proxy cannot be reached" \
		"Only the tests of files and processes run."
}

if [ -z "${BLASTDOOR_K8S_BIN:-}" ]; then
	code=0
	BLASTDOOR_K8S_BIN=$("$root/tools/k8s/build.sh") || code=$?
	case $code in
	0) export BLASTDOOR_K8S_BIN ;;
	75) skip_kubernetes ;;
	*) exit "$code" ;;
	esac
fi

# Without them the tests that need them skip, each with its reason.
if [ -z "${BLASTDOOR_PEERS_BIN:-}" ]; then
	code=0
	BLASTDOOR_PEERS_BIN=$("$root/tools/peers/build.sh") || code=$?
	case $code in
	0) export BLASTDOOR_PEERS_BIN ;;
	75) unset BLASTDOOR_PEERS_BIN && loud "NO h2spec, NO gRPC, NO WebSocket server: the Go module proxy cannot be reached" ;;
	*) exit "$code" ;;
	esac
fi

say "fetching and compiling the tests"
if ! "$go" vet $packages >"$log" 2>&1; then
	if [ "$packages" = ./... ] && no_modules "$log"; then
		skip_kubernetes
		"$go" vet $packages >"$log" 2>&1 || {
			cat "$log" >&2
			no_modules "$log" || exit 1
			loud "NO END-TO-END TESTS: this Go cannot fetch the release that go.mod asks for"
			exit 75
		}
	else
		cat "$log" >&2
		exit 1
	fi
fi
# One package at a time: each has a control plane or fixed ports of its own, and the tests of time
# want the cores. Verbose, so that a long run shows where it is; -count=1, since Go cannot see that
# the binary under test changed.
"$go" test -count=1 -p 1 -timeout 20m -v "$@" $packages

#!/bin/bash
# `make test`: unit tests of the dev build; end-to-end tests and the demo against the release binary. Everything runs,
# also after a failure; the last lines tell what failed, and how many tests passed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
logs=build/log
mkdir -p "$logs"
rm -f "$logs"/*.log

say() { echo "test: $*, $SECONDS s" >&2; }
failed=()
step() {
	local name=$1
	shift
	say "$name"
	"$@" || failed+=("$name")
}

# Kubernetes takes minutes the first time: it builds beside the C++, with what that leaves of the processors. What
# becomes of it is the business of test/run.sh, which waits for it.
{ nice -n 10 tools/k8s/build.sh; nice -n 10 tools/peers/build.sh; } >/dev/null &

tools/build.sh release blastdoor || { say "the release build failed"; exit 1; }
step "unit tests" tools/unit_tests.sh dev

e2e() {
	BLASTDOOR_BIN=$PWD/build/blastdoor test/run.sh 2>&1 | tee "$logs/e2e.log"
	local code=${PIPESTATUS[0]}
	[ "$code" != 75 ] || { skipped="end-to-end tests (no Go, and none to be had)"; return 0; }
	return "$code"
}
demo() { tools/demo.sh --check 2>&1 | tee "$logs/demo.log"; }

skipped=
step "the demo" demo
step "end-to-end tests" e2e

say "done"
[ -z "$skipped" ] || echo "SKIPPED: $skipped"
if grep -qs 'THE KUBERNETES TIER AND THE PROTOCOLS ARE SKIPPED' "$logs/e2e.log"; then echo "SKIPPED: the tests with a real API server, and those of protocols"; fi
[ ${#failed[@]} = 0 ] || printf 'FAILED: %s\n' "${failed[@]}"
tools/test_totals.py build/dev/results "$logs"/*.log || exit 1
[ ${#failed[@]} = 0 ]

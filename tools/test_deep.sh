#!/bin/bash
# `make test-deep`: all unit tests and fuzzing corpora under AddressSanitizer with UBSan, and under ThreadSanitizer;
# then some end-to-end tests with the AddressSanitizer binary.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
logs=build/log
mkdir -p "$logs"

say() { echo "test-deep: $*, $SECONDS s" >&2; }
failed=()
step() {
	local name=$1
	shift
	say "$name"
	"$@" || failed+=("$name")
}

# One or two tests of each theme; each limit of time is five times as long.
short='^(TestDoorsHold|TestDoorsTellTheTruth|TestDoorsCannotBeChained|TestManifestsAreWatched|TestConfigIsWatched|TestDoorKilled|TestControllerKilled|TestTerminateDrains|TestRedirectTwin)$'
e2e() {
	ASAN_OPTIONS=detect_leaks=1:external_symbolizer_path=$(command -v llvm-symbolizer-19) \
		BLASTDOOR_BIN=$PWD/build/asan/blastdoor BLASTDOOR_TEST_SLOW=5 test/run.sh -run "$short" 2>&1 | tee "$logs/deep.log"
	local code=${PIPESTATUS[0]}
	[ "$code" != 75 ] || { echo "SKIPPED: end-to-end tests (no Go, and none to be had)"; return 0; }
	return "$code"
}

step "unit tests, AddressSanitizer and UBSan" tools/unit_tests.sh asan
step "unit tests, ThreadSanitizer" tools/unit_tests.sh tsan
step "end-to-end tests, AddressSanitizer and UBSan" e2e

say "done"
[ ${#failed[@]} = 0 ] || printf 'FAILED: %s\n' "${failed[@]}"
tools/test_totals.py build/asan/results build/tsan/results "$logs/deep.log" || exit 1
[ ${#failed[@]} = 0 ]

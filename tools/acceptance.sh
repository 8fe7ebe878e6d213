#!/bin/bash
# `make acceptance`: the long runs, for hours, on a machine that has nothing else to do. `tools/acceptance.sh STEP…` runs
# some of them, in the order that `steps` has. Each leaves its report in docs/results/STEP.txt, with the commit that it
# is about; commit it.
# shellcheck disable=SC2317 # The steps are called by their names.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
logs=$PWD/build/log/acceptance
mkdir -p "$logs" docs/results

if [ -n "$(git status --porcelain -- ':!docs/results' ':!fuzz/found')" ]; then
	echo "acceptance: the tree differs from its commit: commit first, so that the report can name what was tested" >&2
	exit 1
fi

units() { RC_PARAMS=max_success=20000 tools/unit_tests.sh dev --timeout 7200; }

# One step for each kind of end-to-end test.
property() { BLASTDOOR_PROPERTY_REQUESTS=1000000 test/run.sh -timeout 3h -run 'TestNoRequestPassesTheWrongDoor|TestWithdrawn|TestChurn'; }

vectors() { BLASTDOOR_VECTORS_EXHAUSTIVE=1 test/run.sh -timeout 3h -run 'TestRequests|TestResponses|TestOrigins'; }

protocols() {
	local autobahn
	autobahn=$(tools/peers/autobahn.sh) || return 1
	BLASTDOOR_STREAM_BYTES=1073741824 BLASTDOOR_AUTOBAHN=$autobahn test/run.sh -timeout 3h \
		-run 'TestMatrix|TestAutobahn|TestGRPC|TestH2|TestWebSocket|TestTestssl|TestUpstreamIsVerified|TestProxyProtocol'
}

floods() {
	BLASTDOOR_FLOOD=60s test/run.sh -timeout 3h \
		-run 'TestHTTP2Floods|TestSlowClients|TestHPACKBomb|TestStalled|TestDescriptorsUsedUp|TestConnectionsMax'
}

load() {
	BLASTDOOR_HANDOVERS=100 BLASTDOOR_KILLS=300 BLASTDOOR_DRAIN=5s BLASTDOOR_DOOR_KILLS=100 BLASTDOOR_ARRIVALS=5000 \
		BLASTDOOR_EDITS=2000 BLASTDOOR_OVERLOAD=60s BLASTDOOR_ISOLATION=20s test/run.sh -timeout 3h \
		-run 'TestUpstream|TestBalancer|TestOverload|TestUpgrade|TestHandover|TestIdle|TestDoorKilled|TestFlooded|TestChurnUnder'
}

# To 20 minutes of processor time for each target, counting all runs.
fuzzing() {
	local target least=1200 short
	tools/fuzz.sh --keep || return 1
	for target in $(basename -a -s .cc fuzz/*.cc | grep -vx replay); do
		short=$((least - $(cat "build/fuzz/found/$target.seconds" 2>/dev/null || echo 0)))
		[ "$short" -le 0 ] || FUZZ_SECONDS=$short tools/fuzz.sh "$target" || return 1
	done
	tools/fuzz.sh --keep
}

benchmarks() { bench/run.py --all --rounds 8 --write; }

report() {
	local name=$1 log=$logs/$1.log started=$SECONDS verdict=passed
	echo "acceptance: $name" >&2
	"$name" 2>&1 | tee "$log" || verdict=FAILED
	{
		echo "$name: $verdict in $((SECONDS - started)) s"
		echo "commit:  $(git rev-parse HEAD)"
		echo "date:    $(date -u +%Y-%m-%dT%H:%MZ)"
		echo "machine: $(nproc) x $(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r)"
		echo
		grep -E '^(ok|FAIL|fuzz: |--- )|--- FAIL: |tests passed|^ *[a-z0-9_]+_test.go:[0-9]+: ' "$log" | grep -v 'no tests to run' || tail -n 30 "$log"
	} >"docs/results/$name.txt"
	cat "docs/results/$name.txt"
	[ "$verdict" = passed ]
}

steps=(units property vectors protocols floods load fuzzing benchmarks)
failed=0
[ $# -gt 0 ] || set -- "${steps[@]}"
for step; do
	case " ${steps[*]} " in
	*" $step "*) report "$step" || failed=1 ;;
	*)
		echo "acceptance: no step '$step'; there are ${steps[*]}" >&2
		exit 2
		;;
	esac
done
exit "$failed"

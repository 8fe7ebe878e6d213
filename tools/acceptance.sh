#!/bin/bash
# `make acceptance`: the long runs, for hours, on a machine that has nothing else to do. The report goes to
# docs/results/acceptance.txt with the commit that it is about; commit it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
report=docs/results/acceptance.txt
logs=build/log/acceptance
mkdir -p "$logs" "$(dirname "$report")"

if [ -n "$(git status --porcelain)" ]; then
	echo "acceptance: the tree differs from its commit: commit first, so that the report can name what was tested" >&2
	exit 1
fi

{
	echo "commit:  $(git rev-parse HEAD)"
	echo "date:    $(date -u +%Y-%m-%dT%H:%MZ)"
	echo "machine: $(nproc) x $(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r)"
} >build/acceptance.txt

failed=0
step() {
	local name=$1 log started=$SECONDS verdict=passed
	log=$logs/${name// /-}.log
	shift
	echo "acceptance: $name" >&2
	"$@" 2>&1 | tee "$log" || { verdict=FAILED; failed=1; }
	{
		printf '\n== %s: %s in %s s\n' "$name" "$verdict" "$((SECONDS - started))"
		grep -E '^(ok|FAIL|--- FAIL|fuzz: )|tests passed|^ *[a-z0-9_]+_test.go:[0-9]+: ' "$log" || tail -n 3 "$log"
	} >>build/acceptance.txt
}

step "unit and property tests" env RC_PARAMS=max_success=20000 tools/unit_tests.sh dev --timeout 7200
step "end-to-end" env BLASTDOOR_PROPERTY_REQUESTS=1000000 BLASTDOOR_VECTORS_EXHAUSTIVE=1 \
	BLASTDOOR_HANDOVERS=100 BLASTDOOR_KILLS=300 BLASTDOOR_DRAIN=5s BLASTDOOR_DOOR_KILLS=100 BLASTDOOR_ARRIVALS=5000 \
	BLASTDOOR_EDITS=2000 BLASTDOOR_OVERLOAD=60s BLASTDOOR_ISOLATION=20s BLASTDOOR_FLOOD=60s BLASTDOOR_STREAM_BYTES=1073741824 BLASTDOOR_AUTOBAHN="$(tools/peers/autobahn.sh)" test/run.sh -timeout 6h
step "fuzzing" env FUZZ_SECONDS=1800 tools/fuzz.sh
step "benchmarks" bench/run.py --all --rounds 8

mv build/acceptance.txt "$report"
cat "$report"
exit "$failed"

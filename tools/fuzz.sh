#!/bin/bash
# Runs every fuzz target for FUZZ_SECONDS (60), as many at once as there are processors: `tools/fuzz.sh [TARGET…]`.
#
# What it finds worth keeping goes to fuzz/corpus/found/TARGET, which git ignores, and the next run starts from there. An
# input that crashes goes to fuzz/corpus/TARGET: the unit tests replay it until it is mended, and ever after. The
# processor seconds that a target had, in all its runs here, are in fuzz/corpus/found/TARGET.seconds.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
seconds=${FUZZ_SECONDS:-60}

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(basename -a -s .cc fuzz/*.cc | grep -vx replay)
tools/build.sh fuzz "${targets[@]/#/fuzz_}" || exit 1

logs=$PWD/build/fuzz/log
mkdir -p "$logs"
ASAN_OPTIONS=external_symbolizer_path=$(command -v llvm-symbolizer-19)
export seconds logs ASAN_OPTIONS

fuzz_one() {
	local target=$1 dictionary=() log=$logs/$1.log
	local found=fuzz/corpus/found/$target seeds=fuzz/corpus/$target
	local TIMEFORMAT='%U %S' used code
	mkdir -p "$found" "$seeds"
	case $target in h1_* | chunked | target_*) dictionary=(-dict=fuzz/http.dict) ;; esac
	used=$({ time "build/fuzz/fuzz/fuzz_$target" "${dictionary[@]}" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=2048 -artifact_prefix="$seeds/" -print_final_stats=1 "$found" "$seeds" >"$log" 2>&1; } 2>&1)
	code=$?
	touch "$found.seconds"
	used=$(awk '{ for (i = 1; i <= NF; ++i) all += $i } END { printf "%d", all }' "$found.seconds" - <<<"$used")
	echo "$used" >"$found.seconds"
	if [ "$code" = 0 ]; then
		echo "fuzz: $target: $(awk '/number_of_executed_units/ { print $2 }' "$log") runs," \
			"$(find "$found" -type f | wc -l) inputs kept, $used processor seconds in all"
	else
		echo "fuzz: $target FAILED; the input is in $seeds, the report in $log:"
		grep -m 5 -E 'ERROR|SUMMARY|runtime error|Test unit written' "$log"
		return 1
	fi
}
export -f fuzz_one

echo "fuzz: ${#targets[@]} targets, $seconds s each: ${targets[*]}"
printf '%s\n' "${targets[@]}" | xargs -P "${BD_JOBS:-$(nproc)}" -I{} bash -c 'fuzz_one {}'

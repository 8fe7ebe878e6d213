#!/bin/bash
# Runs every fuzz target for FUZZ_SECONDS (60), as many at once as there are processors: `tools/fuzz.sh [TARGET…]`.
# `tools/fuzz.sh --keep [TARGET…]` puts what was found into the repository, without inputs that add nothing.
#
# What a target finds worth keeping goes to build/fuzz/found/TARGET, which begins with what fuzz/found/TARGET.tar.xz
# keeps; the next run starts from there. An input that crashes goes to fuzz/corpus/TARGET: the unit tests replay it
# until it is mended, and ever after. The processor seconds that a target had in all its runs are in TARGET.seconds
# beside both.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
seconds=${FUZZ_SECONDS:-60}
keep=false
if [ "${1-}" = --keep ]; then
	keep=true
	shift
fi

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(basename -a -s .cc fuzz/*.cc | grep -vx replay)
tools/build.sh fuzz "${targets[@]/#/fuzz_}" || exit 1

found=$PWD/build/fuzz/found
logs=$PWD/build/fuzz/log
mkdir -p "$found" "$logs"
ASAN_OPTIONS=external_symbolizer_path=$(command -v llvm-symbolizer-19)
export seconds found logs ASAN_OPTIONS

# What was kept, if this machine has none of its own.
unpack() {
	[ ! -d "$found/$1" ] && [ -e "fuzz/found/$1.tar.xz" ] || return 0
	tar -C "$found" -xJf "fuzz/found/$1.tar.xz" && cp "fuzz/found/$1.seconds" "$found/"
}

fuzz_one() {
	local target=$1 dictionary=() log=$logs/$1.log seeds=fuzz/corpus/$1
	local TIMEFORMAT='%U %S' used code
	unpack "$target"
	mkdir -p "$found/$target" "$seeds"
	case $target in h1_* | chunked | target_*) dictionary=(-dict=fuzz/http.dict) ;; esac
	used=$({ time "build/fuzz/fuzz/fuzz_$target" "${dictionary[@]}" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=2048 -artifact_prefix="$seeds/" -print_final_stats=1 "$found/$target" "$seeds" >"$log" 2>&1; } 2>&1)
	code=$?
	touch "$found/$target.seconds"
	used=$(awk '{ for (i = 1; i <= NF; ++i) all += $i } END { printf "%d", all }' "$found/$target.seconds" - <<<"$used")
	echo "$used" >"$found/$target.seconds"
	if [ "$code" = 0 ]; then
		echo "fuzz: $target: $(awk '/number_of_executed_units/ { print $2 }' "$log") runs," \
			"$(find "$found/$target" -type f | wc -l) inputs found, $used processor seconds in all"
	else
		echo "fuzz: $target FAILED; the input is in $seeds, the report in $log:"
		grep -m 5 -E 'ERROR|SUMMARY|runtime error|Test unit written' "$log"
		return 1
	fi
}

# The smallest part of seeds and finds that covers as much as all of them.
keep_one() {
	local target=$1 least
	least=$(mktemp -d) || return 1
	unpack "$target"
	mkdir -p "$least/$target" fuzz/found
	if ! "build/fuzz/fuzz/fuzz_$target" -merge=1 "$least/$target" "fuzz/corpus/$target" "$found/$target" \
		>"$logs/$target.merge.log" 2>&1; then
		echo "fuzz: $target: the merge failed, see $logs/$target.merge.log"
		return 1
	fi
	tar -C "$least" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cJf "fuzz/found/$target.tar.xz" "$target"
	cp "$found/$target.seconds" fuzz/found/
	echo "fuzz: $target: $(find "$least/$target" -type f | wc -l) inputs kept"
	rm -r "$least"
}
export -f unpack fuzz_one keep_one

if "$keep"; then
	act=keep_one
else
	act=fuzz_one
	echo "fuzz: ${#targets[@]} targets, $seconds s each: ${targets[*]}"
fi
printf '%s\n' "${targets[@]}" | xargs -P "${BD_JOBS:-$(nproc)}" -I{} bash -c "$act {}"

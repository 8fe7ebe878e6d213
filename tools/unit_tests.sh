#!/bin/bash
# Builds a preset and runs its unit tests: `tools/unit_tests.sh asan`. Results: build/PRESET/results/.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: tools/unit_tests.sh PRESET [ctest arguments…]}
shift

tools/build.sh "$preset"

results=$PWD/build/$preset/results
rm -rf "$results"
mkdir -p "$results/gtest"
symbolizer=$(command -v llvm-symbolizer-19 || true)
export GTEST_OUTPUT=xml:$results/gtest/
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:external_symbolizer_path=$symbolizer
export UBSAN_OPTIONS=print_stacktrace=1:external_symbolizer_path=$symbolizer
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:external_symbolizer_path=$symbolizer
timeout=120
case $preset in asan | tsan) timeout=600 ;; esac
ctest --test-dir "build/$preset" -j "${BD_JOBS:-$(nproc)}" --output-on-failure --timeout "$timeout" \
	--output-junit "$results/ctest.xml" "$@"

#!/bin/bash
# Builds one preset into build/PRESET: `tools/build.sh release blastdoor`. No target: all of it.
# The release binary is also at build/blastdoor.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:?usage: tools/build.sh PRESET [TARGET…]}
shift
directory=build/$preset
mkdir -p "$directory"

# Two builds in one directory would spoil each other.
exec 9>"$directory/.lock"
flock -n 9 || { echo "build: waiting for another build of $preset" >&2; flock 9; }

# Ninja runs CMake again by itself when a CMakeLists.txt changes, but does not know of presets.
if [ ! -e "$directory/build.ninja" ] || [ CMakePresets.json -nt "$directory/CMakeCache.txt" ]; then
	cmake --preset "$preset" -Wno-dev >"$directory/configure.log" 2>&1 9>&- || {
		cat "$directory/configure.log" >&2
		exit 1
	}
fi
targets=()
[ $# = 0 ] || targets=(--target "$@")
cmake --build --preset "$preset" -j "${BD_JOBS:-$(nproc)}" "${targets[@]}" 9>&-

if [ "$preset" = release ]; then ln -sfn release/blastdoor build/blastdoor; fi

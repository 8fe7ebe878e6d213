#!/bin/bash
# `make lint`: formatting, house rules and layers of everything; clang-tidy on C++ that changed since origin/main (or, with
# no origin, since the last commit), or on the files that are named. `--fix` formats everything and ends.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

mapfile -t cpp < <(git ls-files -co --exclude-standard -- 'src/*.cc' 'src/*.h' 'fuzz/*.cc' 'bench/*.cc' | sort -u |
	while read -r file; do [ -e "$file" ] && echo "$file"; done)
go=$(command -v go || tools/k8s/go.sh)
gofmt=$(dirname "$(readlink -f "$go")")/gofmt
go_folders=(test tools/k8s)

if [ "${1:-}" = --fix ]; then
	clang-format-19 -i "${cpp[@]}"
	"$gofmt" -w "${go_folders[@]}"
	exit
fi

failed=()
step() {
	local name=$1
	shift
	echo "lint: $name, $SECONDS s" >&2
	"$@" || failed+=("$name")
}

format_is_right() {
	printf '%s\n' "${cpp[@]}" | xargs -P "${BD_JOBS:-$(nproc)}" -I{} sh -c \
		'clang-format-19 --dry-run -Werror {} 2>/dev/null || { echo "not formatted (make format): {}"; exit 1; }'
}

gofmt_is_right() {
	local wrong
	wrong=$("$gofmt" -l "${go_folders[@]}")
	[ -z "$wrong" ] || { echo "not formatted (make format): $wrong"; return 1; }
}

# `git ls-files` keeps a deleted file until it is staged.
shell_is_right() {
	git ls-files -co --exclude-standard -- '*.sh' .ci/run | sort -u | while read -r file; do [ -e "$file" ] && echo "$file"; done |
		xargs shellcheck --severity=warning
}

# What clang-tidy needs to read a file: the compile commands, and the headers that are generated.
prepare_tidy() {
	tools/build.sh tidy bd_pch bd_test_pch bd_snapshot_pb bd_feed_pb >build/tidy.log 2>&1 || { cat build/tidy.log; return 1; }
}

# A header is read through the .cc of its name.
changed_sources() {
	local base
	base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
	{ git diff --name-only "$base" -- 'src/*' 'fuzz/*'; git ls-files -o --exclude-standard -- 'src/*' 'fuzz/*'; } |
		sed -E 's/\.h$/.cc/' | sort -u | while read -r file; do case $file in *.cc) [ -e "$file" ] && echo "$file" ;; esac; done
}

# Tables make tests long; tools/tidy.py bounds those.
tidy_one() {
	local checks=()
	case $1 in *_test.cc) checks=(--checks=-readability-function-size) ;; esac
	echo "lint: clang-tidy $1" >&2
	clang-tidy-19 -p build/tidy --quiet "${checks[@]}" "$1" 2> >(grep -vE '^[0-9]+ warnings? generated' >&2)
}
export -f tidy_one

clang_tidy() {
	[ $# -gt 0 ] || { echo "lint: no C++ changed" >&2; return 0; }
	prepare_tidy && printf '%s\n' "$@" | xargs -P "${BD_JOBS:-$(nproc)}" -I{} bash -c 'tidy_one {}'
}

mkdir -p build
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(changed_sources)
step layers tools/check_layers.py
step tidy.py tools/tidy.py
step shellcheck shell_is_right
step gofmt gofmt_is_right
step clang-format format_is_right
step clang-tidy clang_tidy "${files[@]}"
[ ${#failed[@]} = 0 ] || { echo "lint: FAILED: ${failed[*]}"; exit 1; }
echo "lint: all is well, $SECONDS s"

#!/bin/bash
# Installs the Debian packages that are missing for what the arguments name: `tools/install.sh build test`.
# With nothing missing it ends at once and needs neither network nor root.
#
#   build  compile Blastdoor and its unit tests        deep   sanitizers and fuzzers
#   test   run all tests and the demo                  lint   format and analyse
#                                                      bench  load generators and the proxies to compare with
#   differential   the servers that test/differential puts behind Blastdoor
#
# Go, for the end-to-end tests, is found or fetched by tools/k8s/go.sh.
set -euo pipefail

declare -A packages=(
	[build]='clang-19 lld-19 libstdc++-12-dev cmake ninja-build ccache pkg-config
		libprotobuf-dev protobuf-compiler libssl-dev libcurl4-openssl-dev libnghttp2-dev libsimdjson-dev libyaml-cpp-dev
		libcli11-dev libfmt-dev libspdlog-dev libgtest-dev librapidcheck-dev'
	[test]='curl ca-certificates iproute2 nghttp2-client nghttp2-server python3 python3-jinja2 testssl.sh'
	[deep]='libclang-rt-19-dev llvm-19'
	[lint]='clang-format-19 clang-tidy-19 python3 shellcheck git'
	[differential]='nginx-light haproxy apache2-bin nodejs'
	[bench]='wrk nghttp2-client nginx-light haproxy valgrind strace libbenchmark-dev libnghttp2-dev openssl python3'
)

say() { echo "install: $*" >&2; }

wanted=()
for group in "$@"; do
	[ -n "${packages[$group]:-}" ] || { say "there is no group '$group'; there are: ${!packages[*]}"; exit 2; }
	read -rd '' -a names <<<"${packages[$group]}" || true
	wanted+=("${names[@]}")
done

if ! command -v apt-get >/dev/null; then
	say "this is no Debian; what is needed here, under Debian's names: ${wanted[*]}"
	exit 0
fi

missing_packages() {
	local installed
	installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "${wanted[@]}" 2>/dev/null || true)"
	for package in "${wanted[@]}"; do
		[[ $installed == *" installed:$package "* ]] || echo "$package"
	done
}
mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=(env)
elif command -v sudo >/dev/null; then
	as_root=(sudo env)
else
	say "missing: ${missing[*]}"
	say "run this as root once, or install sudo"
	exit 1
fi
apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q -y
	-o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Shows one line per 40 packages, so that a slow download is not taken for a hang.
progress() {
	awk '/^Need to get/ { print "install: " $0; fflush() }
		/^Unpacking / && ++unpacked % 40 == 0 { print "install: " unpacked " unpacked"; fflush() }
		/^Setting up / && ++ready % 40 == 0 { print "install: " ready " set up"; fflush() }' >&2
}

say "${#missing[@]} packages are missing: ${missing[*]}"
for attempt in 1 2 3; do
	"${apt[@]}" update >"$log" 2>&1 || say "apt-get update failed; trying with the lists that are here"
	if "${apt[@]}" install --no-install-recommends "${missing[@]}" 2>&1 | tee "$log" | progress; then
		say "done in $SECONDS s"
		exit 0
	fi
	tail -n 5 "$log" >&2
	[ "$attempt" = 3 ] || { say "attempt $attempt of 3 failed; again in 5 s" && sleep 5; }
done
say "could not install: ${missing[*]}"
exit 1

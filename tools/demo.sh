#!/bin/bash
# The four doors on this machine: three demo upstreams, Blastdoor on examples/four-doors, and what to try. It serves
# until Ctrl-C or SIGTERM.
#
#   tools/demo.sh           serve; with no terminal on stdin it also tries everything once and prints the answers
#   tools/demo.sh --check   try everything, compare the answers, and end: 0 if all are right. Runs in a network
#                           namespace of its own where it may, so that it disturbs nobody's ports.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
binary=${BLASTDOOR_BIN:-build/blastdoor}
unset "${!BLASTDOOR_@}" # All others are configuration; the demo has its own.
manifests=examples/four-doors
ports=(10000 10001 10002 10003 9900 9901 9902 9001 9002 9003)

say() { echo "demo: $*" >&2; }

# What to try: title, command, and a regular expression that the answer must match, each on a line of its own.
try=(
	'internal, http: port 10000'
	"curl -H 'Host: stock.shop.internal' 'http://127.0.0.1:10000/shelves?row=7'"
	'"upstream": "stock".*"target": "/shelves\?row=7".*"X-Forwarded-Proto", *"value": "http"'

	'internal, https: port 10001. The load balancer ended TLS; the exposure declares the scheme'
	"curl -H 'Host: office.shop.internal' http://127.0.0.1:10001/"
	'"upstream": "office".*"X-Forwarded-Proto", *"value": "https"'

	'external, http: port 10002 redirects to https, with no redirect image behind it'
	"curl -i -H 'Host: www.shop.example' 'http://127.0.0.1:10002/cart?item=3'"
	'HTTP/1\.1 308 .*Location: https://www\.shop\.example/cart\?item=3'

	'external, https: port 10003'
	"curl -H 'Host: www.shop.example' http://127.0.0.1:10003/"
	'"upstream": "www".*"X-Forwarded-Proto", *"value": "https"'

	'the blast door: an internal host, asked for on the external port, does not exist'
	"curl -i -H 'Host: office.shop.internal' http://127.0.0.1:10003/"
	'HTTP/1\.1 404 '

	'nor does any header open it'
	"curl -i -H 'Host: www.shop.example' -H 'X-Forwarded-Host: office.shop.internal' http://127.0.0.1:10003/"
	'HTTP/1\.1 200 .*"upstream": "www"'

	'a typing mistake in a label: served nowhere, and the finding says what was probably meant'
	"curl 'http://127.0.0.1:9900/api/v1/findings?severity=refused'"
	'"sale".*external-http'

	'the same without a server'
	"$binary check --manifests $manifests --allow-loopback"
	'externl-http.*external-http'
)

# In the commands above, without its progress meter: what people type is short.
curl() { command curl -sS --max-time 10 "$@"; }

# answer COMMAND PATTERN: prints the answer; fails if the pattern, with . for line ends too, is not in it.
answer() {
	local text
	text=$(eval "$1" 2>&1)
	printf '%s\n' "${text//$'\r'/}"
	tr -d '\r' <<<"$text" | tr '\n' ' ' | grep -qE -- "$2"
}

print_what_to_try() {
	echo
	echo "The four doors are open. Try:"
	for ((i = 0; i < ${#try[@]}; i += 3)); do printf '\n  # %s\n  %s\n' "${try[i]}" "${try[i + 1]}"; done
	printf '\nEdit a file in %s and it is live in a moment. Ctrl-C ends.\n\n' "$manifests"
}

# Every curl line of the README must be one that is tried here; a comment may follow it there.
readme_is_tried() {
	local right=0 line
	while read -r line; do
		printf '%s\n' "${try[@]}" | grep -qxF -- "$line" || { say "README.md shows what nobody tries here: $line"; right=1; }
	done < <(sed -nE 's/^(curl .*127\.0\.0\.1:.*)$/\1/; T; s/ +# .*//; p' README.md)
	return "$right"
}

# try_everything [CHECK…]: all of the above, and then the checks that are named.
try_everything() {
	local passed=0 failed=0 check
	for ((i = 0; i < ${#try[@]}; i += 3)); do
		printf '\n# %s\n$ %s\n' "${try[i]}" "${try[i + 1]}"
		if answer "${try[i + 1]}" "${try[i + 2]}"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "demo: WRONG: the answer does not match ${try[i + 2]}"
		fi
	done
	for check in "$@"; do
		if "$check"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	done
	printf '\ndemo: %s passed, %s failed\n' "$passed" "$failed"
	[ "$failed" = 0 ]
}

ports_are_free() {
	local port taken=()
	for port in "${ports[@]}"; do
		if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then taken+=("$port"); fi
	done
	[ ${#taken[@]} = 0 ] && return
	say "in use: port ${taken[*]}; \`ss -ltnp\` says by what. The demo needs: ${ports[*]}"
	return 1
}

pids=()
# start COMMAND…: in a process group of its own, so that Ctrl-C reaches this script alone and everything ends in order;
# and not outliving this script.
start() {
	setpriv --pdeathsig TERM "$@" &
	pids+=($!)
}

# Ends Blastdoor, which drains for a second, then the upstreams. A second signal meanwhile ends Blastdoor at once.
stop() {
	trap - EXIT
	[ ${#pids[@]} -gt 0 ] || return
	local pid
	trap 'kill -INT "${pids[-1]}" 2>/dev/null' INT TERM
	kill -INT "${pids[-1]}" 2>/dev/null
	while kill -0 "${pids[-1]}" 2>/dev/null; do wait "${pids[-1]}" 2>/dev/null; done
	for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; done
	wait 2>/dev/null
}

wait_until_ready() {
	local deadline=$((SECONDS + 20))
	until curl -f -o /dev/null http://127.0.0.1:9901/readyz 2>/dev/null; do
		kill -0 "${pids[-1]}" 2>/dev/null || { say "blastdoor ended before it was ready"; return 1; }
		[ "$SECONDS" -lt "$deadline" ] || { say "not ready: $(curl http://127.0.0.1:9901/readyz)"; return 1; }
		sleep 0.1
	done
}

start_all() {
	[ -x "$binary" ] || { say "there is no $binary: run \`make build\`"; return 1; }
	ports_are_free || return 1
	set -m
	start "$binary" echo --listen 127.0.0.1:9001 --name stock >/dev/null 2>&1
	start "$binary" echo --listen 127.0.0.1:9002 --name office >/dev/null 2>&1
	start "$binary" echo --listen 127.0.0.1:9003 --name www >/dev/null 2>&1
	start "$binary" run --manifests "$manifests" --allow-loopback
	set +m
	wait_until_ready
}

serve() {
	trap 'stop; exit 0' INT TERM
	trap stop EXIT
	start_all || exit 1
	print_what_to_try
	[ -t 0 ] || try_everything
	wait "${pids[-1]}"
	say "blastdoor ended by itself"
	exit 1
}

check() {
	if [ "$1" = --check ] && unshare -n true 2>/dev/null; then
		BLASTDOOR_BIN=$binary exec unshare -n tools/demo.sh --check-isolated
	fi
	[ "$1" = --check ] || ip link set lo up || exit 1
	trap 'exit 130' INT TERM
	trap stop EXIT
	local log
	log=$(mktemp)
	start_all 2>"$log" || { cat "$log" >&2; exit 1; }
	local code=0
	try_everything readme_is_tried || code=1
	[ "$code" = 0 ] || { say "what blastdoor said:"; cat "$log" >&2; }
	rm -f "$log"
	stop
	exit "$code"
}

case ${1:-} in
--check | --check-isolated) check "$1" ;;
'') serve ;;
*) say "usage: tools/demo.sh [--check]"; exit 2 ;;
esac

#!/bin/bash
# Installs Autobahn's WebSocket test suite into the cache, once. It needs Python 2.7, which Debian had last in
# bullseye: its packages are fetched from the mirror that this machine uses, and unpacked, not installed. The last line on
# stdout is a program that takes wstest's arguments. Exit code 75: something cannot be had from here.
set -euo pipefail

packages='python2.7 python2.7-minimal libpython2.7-stdlib libpython2.7-minimal libffi7 libssl1.1'
pip=pip==20.3.4 # the last for Python 2.7, as are those below
builder='setuptools==44.1.1' # for what comes as source only; its C parts are left out
modules='six==1.17.0 twisted==20.3.0 zope.interface==5.5.2 cryptography==3.3.2 pyopenssl==21.0.0
	service-identity==21.1.0 jinja2==2.11.3 markupsafe==1.1.1 werkzeug==1.0.1 klein==20.6.0 unittest2==1.1.0 txaio==2.1.0'
suite='autobahn==0.10.9 autobahntestsuite==0.8.2' # with what they ask for, but not with compiled extras

say() { echo "autobahn: $*" >&2; }
key=$(sha256sum "$0" | cut -c1-16)
cache=${BLASTDOOR_CACHE:-${HOME:?}/.cache/blastdoor}/autobahn
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
out=$cache/$key
deliver() { echo "$out/wstest"; exit 0; }

exec 9>"$cache/.lock"
flock 9
[ ! -x "$out/wstest" ] || deliver
work=$(mktemp -d "$cache/.building.XXXXXX")
trap 'rm -rf "$work"' EXIT
unavailable() { tail -n 5 "$work/log" >&2; say "$*"; exit 75; }

mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
	awk '$2 == "Debian" && $3 !~ /security/ { print $1; exit }')
: >"$work/log"
[ -n "$mirror" ] || unavailable "this machine has no Debian mirror"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$work/lists/partial" "$work/apt/archives/partial" "$work/deb" "$out"
echo "deb [signed-by=$keys] $mirror bullseye main" >"$work/sources.list"
apt=(apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists"
	-o Dir::Cache="$work/apt" -o APT::Sandbox::User=root)
say "fetching Python 2.7"
"${apt[@]}" update >"$work/log" 2>&1 || unavailable "bullseye cannot be fetched"
# shellcheck disable=SC2086
(cd "$work/deb" && "${apt[@]}" download $packages) >>"$work/log" 2>&1 || unavailable "Python 2.7 cannot be fetched"
for deb in "$work"/deb/*.deb; do dpkg -x "$deb" "$out"; done

say "fetching the suite"
python3 -m pip download --no-deps -q -d "$work" "$pip" >>"$work/log" 2>&1 || unavailable "pip cannot be fetched"
cat >"$work/python" <<END
#!/bin/sh
export LD_LIBRARY_PATH='$out/usr/lib/x86_64-linux-gnu' PYTHONHOME='$out/usr' PYTHONPATH='$out/site' PYTHONDONTWRITEBYTECODE=1
exec '$out/usr/bin/python2.7' "\$@"
END
chmod +x "$work/python"
install=("$work/python" "$(echo "$work"/pip-*.whl)/pip" install --disable-pip-version-check -q --target "$out/site")
# shellcheck disable=SC2086
{ "${install[@]}" $builder && "${install[@]}" --no-build-isolation $modules && "${install[@]}" --no-deps --no-use-pep517 $suite; } >>"$work/log" 2>&1 ||
	unavailable "the suite cannot be fetched"
touch "$out/site/zope/__init__.py" # a namespace that only an installed package would be
sed 's#"\$@"#-c "from autobahntestsuite import wstest; wstest.run()" "$@"#' "$work/python" >"$work/wstest"
chmod +x "$work/wstest"
"$work/wstest" --help >>"$work/log" 2>&1 || unavailable "the suite does not start"
mv "$work/wstest" "$out/wstest"
deliver

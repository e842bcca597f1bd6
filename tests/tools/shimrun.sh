#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shimrun: the environment it makes, the mistakes it names, the programs it warns of, --check.
set -u
: "${srcdir:?}" "${builddir:?}"
run=$builddir/shimrun
n=0 bad=0
case_() {
	n=$((n + 1))
	if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; bad=1; fi
}
status() { "$@" >"$tmp/out" 2>"$tmp/err"; echo $?; }
says() { grep -q -- "$1" "$tmp/out" "$tmp/err"; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset LD_PRELOAD
export srcdir
for v in $(env | sed -n 's/^\(SHIM_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done

[ "$(status "$run" --print --iface eth7,eth8 --loopback --set spin_us=1 x)" = 2 ] && says 'did you mean SPIN_US'
case_ "a name in lower case is named with the right one" $?
[ "$(status "$run" --print --iface eth7,eth8 --loopback --log info:/x --set SPIN_US=1)" = 0 ] &&
	says '^SHIM_IFACE=eth7,eth8$' && says '^SHIM_LOOPBACK=1$' && says '^SHIM_LOG=info:/x$' &&
	says '^SHIM_SPIN_US=1$' && says '^LD_PRELOAD=/.*/libshim.so$'
case_ "options become variables" $?
LD_PRELOAD=/lib/other.so "$run" --print | grep -q '^LD_PRELOAD=/.*/libshim.so:/lib/other.so$'
case_ "another preload stays, behind" $?
[ "$(status "$run" --set UMEM_MB=1 true)" = 2 ] && says 'must be 4 to 4096 MB'
case_ "a value out of range is refused with the range" $?
[ "$(status "$run" --set SHIM_XDP=warp true)" = 2 ] && says 'must be auto, native, generic or zerocopy'
case_ "a wrong choice is refused with the choices" $?
[ "$(status "$run" --set XDP true)" = 2 ] && [ "$(status "$run")" = 2 ] &&
	[ "$(status "$run" --nonsense)" = 2 ] && [ "$(status "$run" --check extra)" = 2 ]
case_ "wrong use is status 2" $?
[ "$(status "$run" /nonexistent/program)" = 127 ] && says 'not found'
case_ "a program that is not there is status 127" $?
: >"$tmp/plain"
[ "$(status "$run" "$tmp/plain")" = 126 ] && says 'not executable'
case_ "a file that is not a program is status 126" $?
[ "$(status "$run" --library "$tmp/none.so" true)" = 126 ] && says 'no such library'
case_ "a library that is not there is named" $?
if printf 'int main(void){return 7;}' | ${CC:-cc} -static -xc -o "$tmp/static" - 2>/dev/null; then
	[ "$(status "$run" --library /dev/null "$tmp/static")" = 7 ] && says 'statically linked'
	case_ "a static program is explained, and run" $?
fi
cp /bin/true "$tmp/setid" && chmod 6755 "$tmp/setid"
if [ "$(id -u)" = 0 ] && chown 1:1 "$tmp/setid" && chmod 6755 "$tmp/setid"; then
	[ "$(status "$run" --library /dev/null "$tmp/setid")" = 0 ] && says 'ignores LD_PRELOAD'
	case_ "a set-user-ID program is explained, and run" $?
fi
printf '#!%s\n' "$tmp/setid" >"$tmp/script" && chmod 755 "$tmp/script"
[ "$(id -u)" != 0 ] || { [ "$(status "$run" --library /dev/null "$tmp/script")" = 0 ] && says 'ignores LD_PRELOAD'; }
case_ "a script is judged by its interpreter" $?
[ "$(status "$run" --list-knobs)" = 0 ]
missing=0
for k in $("$srcdir/scripts/gen" list knobs); do says "^$k=" || missing=1; done
case_ "--list-knobs lists every knob" $missing
[ "$(status "$run" --version)" = 0 ] && says af_xdp; case_ "--version tells how it was built" $?
[ "$(status "$run" --help)" = 0 ] && says Examples; case_ "--help has examples" $?

before=$(ls /sys/class/net | tr '\n' ' ')
s=$(status "$run" --check --json)
{ [ "$s" = 0 ] || [ "$s" = 1 ]; } && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
need = [c for c in d["checks"] if c["needed"]]
assert d["accelerate"] == all(c["ok"] for c in need) == (sys.argv[2] == "0")
assert all(c["ok"] or c["remedy"] for c in d["checks"]), "no remedy"
assert {"kernel", "library", "af_xdp", "bpf", "umem", "arena", "interface"} <= {c["id"] for c in need}
' "$tmp/out" "$s"
case_ "--check --json is JSON, its status agrees, and what is missing has a remedy" $?
[ "$before" = "$(ls /sys/class/net | tr '\n' ' ')" ]; case_ "--check leaves no interface behind" $?
[ "$(status env -i "$run" --check)" -le 1 ] && says 'Programs'; case_ "--check in words" $?
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$tmp"
	s=$(status setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all "$run" --check)
	[ "$s" = 1 ] && says 'MISSING.*cap_net_raw' && says 'kernel sockets only'
	case_ "--check without privileges says what is missing" $?
fi
echo "1..$n"
exit $bad

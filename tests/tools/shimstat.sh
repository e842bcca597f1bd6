#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shimstat where nothing runs: its status, its words, its JSON; and that it lists every counter.
set -u
: "${srcdir:?}" "${builddir:?}"
stat=$builddir/shimstat
n=0 bad=0
case_() {
	n=$((n + 1))
	if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; bad=1; fi
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status() { "$@" >"$tmp/out" 2>"$tmp/err"; echo $?; }
export srcdir

[ "$(status "$stat" $$)" = 1 ] && grep -q 'nothing of these runs' "$tmp/err"
case_ "a process that is in no family is status 1" $?
[ "$(status "$stat" --json $$)" = 1 ] &&
	python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["families"] == []' "$tmp/out"
case_ "and its JSON is whole" $?
[ "$(status "$stat" -z)" = 2 ] && [ "$(status "$stat" --watch x)" = 2 ] &&
	[ "$(status "$stat" --watch 0)" = 2 ] && [ "$(status "$stat" pid)" = 2 ]
case_ "wrong use is status 2" $?
[ "$(status "$stat" --list-counters)" = 0 ]
missing=0
for c in $("$srcdir/scripts/gen" list counters); do grep -q "^$c " "$tmp/out" || missing=1; done
case_ "--list-counters lists every counter" $missing
[ "$(status "$stat" --help)" = 0 ] && grep -q Examples "$tmp/out"; case_ "--help has examples" $?
begin=$(date +%s%N)
[ "$(status "$stat" --watch 0.2 --count 3 $$)" = 1 ] && [ $((($(date +%s%N) - begin) / 1000000)) -ge 400 ]
case_ "--watch looks as often as it is told" $?
echo "1..$n"
exit $bad

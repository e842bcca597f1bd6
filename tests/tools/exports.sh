#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the library shows is what calls.def names, no more and no less; none of it carries a version;
# no library that was linked in shows through; and it asks for no version of its own names.
set -u
: "${srcdir:?}" "${builddir:?}"
lib=$builddir/.libs/libshim.so
n=0 bad=0
case_() {
	n=$((n + 1))
	if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; bad=1; fi
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export srcdir

[ -f "$lib" ]; case_ "the library is built" $?
nm -D --defined-only "$lib" | awk '$2 != "A" { print $3 }' | sort -u >"$tmp/shown"
"$srcdir/scripts/gen" list calls | sort -u >"$tmp/named"
extra=$(comm -23 "$tmp/shown" "$tmp/named")
[ -z "$extra" ] || echo "# shown but not in the table:" $extra
[ -z "$extra" ]; case_ "nothing else shows" $?
lacking=$(comm -13 "$tmp/shown" "$tmp/named")
[ -z "$lacking" ] || echo "# in the table but not shown:" $lacking
[ -z "$lacking" ]; case_ "every name in the table shows" $?
! grep -q @ "$tmp/shown"; case_ "no name carries a version" $?
! readelf -dW "$lib" | grep -q TEXTREL; case_ "no relocation in the text" $?
readelf -lW "$lib" | awk '/GNU_STACK/ { ok = ($7 == "RW") } END { exit !ok }'
case_ "the stack is not executable" $?
echo "1..$n"
exit $bad

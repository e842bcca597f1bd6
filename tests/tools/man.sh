#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manual: every row of every table is in it, each page names pages that exist, and mandoc has
# nothing to say.
set -u
: "${srcdir:?}" "${builddir:?}"
gen=$srcdir/scripts/gen
n=0 bad=0
case_() { # case_ NAME STATUS
	n=$((n + 1))
	if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; bad=1; fi
}
page() { if [ -f "$builddir/man/$1" ]; then echo "$builddir/man/$1"; else echo "$srcdir/man/$1"; fi; }

for p in libshim.7 shimrun.1 shimstat.1; do
	f=$(page $p)
	[ -s "$f" ]; case_ "$p is there" $?
	! grep -q '@[A-Z]*@' "$f"; case_ "$p has no hole left" $?
	missing=0
	for x in $(sed -n 's/^\.Xr \(libshim\|shim[a-z]*\) \([0-9]\).*/\1.\2/p' "$f" | sort -u); do
		[ -f "$(page "$x")" ] || { echo "# $p names $x"; missing=1; }
	done
	case_ "$p names pages of ours that exist" $missing
	if command -v mandoc >/dev/null; then
		# Whether other packages' pages are installed, and indexed, is not the page's matter.
		out=$(mandoc -T lint "$f" 2>&1 | grep -v -e 'referenced manual not found' \
			-e 'outdated mandoc.db')
		[ -z "$out" ] || echo "$out" | sed 's/^/# /'
		[ -z "$out" ]; case_ "$p is free of lint" $?
	else
		n=$((n + 1)); echo "ok $n - $p is free of lint # SKIP mandoc is not here"
	fi
done

listed() { # listed KIND PAGE MACRO
	missing=0 rows=0
	export srcdir
	for name in $("$gen" list "$1"); do
		rows=$((rows + 1))
		grep -qE "^\\.(It )?$3 $name( [,.])?\$" "$(page "$2")" ||
			{ echo "# $name is not in $2"; missing=1; }
	done
	echo "# $rows $1"
	[ $rows -gt 0 ] && [ $missing = 0 ]; case_ "$2 lists all $1" $?
}
listed knobs libshim.7 Ev
listed knobs shimrun.1 Ev
listed counters libshim.7 Sy
listed counters shimstat.1 Sy
listed verdicts libshim.7 Sy
listed calls libshim.7 Fn
listed left libshim.7 Fn
echo "1..$n"
exit $bad

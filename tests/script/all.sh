#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# All wire scripts on the stack, in virtual time; and the table of what they cover is as they say.
# shellcheck disable=SC2154
set -u
cd "$srcdir/tests/script" || exit 1
"$builddir/tests/script/run" --given given rfc* && bad=0 || bad=1
if "$builddir/tests/script/run" --given given --matrix rfc* | cmp -s - COVERAGE.md; then
	echo "ok - COVERAGE.md is what the scripts say"
else
	echo "not ok 0 - COVERAGE.md is old: make -C build script-matrix"
	bad=1
fi
exit $bad

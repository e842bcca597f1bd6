#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
# mlockall() in a program under the library: see memlock.c. The arena is 2 GB here, so that one that
# is filled by mistake is found without taking the machine down.
builddir=${builddir:-.}
lib=${LIB_UNDER_TEST:-$builddir/.libs/libshim.so}
prog=$builddir/tests/apps/memlock
[ -f "$lib" ] && [ -x "$prog" ] || { echo "SKIP: not built"; exit 77; }
"$prog" first 2>/dev/null || { echo "SKIP: memory can't be locked here"; exit 77; }
export SHIM_IFACE=none SHIM_LOOPBACK=1 SHIM_ARENA_GB=2
bad=0 n=0
for order in first last number; do
	n=$((n + 1))
	if LD_PRELOAD=$lib timeout 20 "$prog" $order; then
		echo "ok $n - sockets $order"
	else
		echo "not ok $n - sockets $order"
		bad=1
	fi
done
echo "1..$n"
exit $bad

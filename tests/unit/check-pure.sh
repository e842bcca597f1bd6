#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The stack is sans-IO: what libstack leaves undefined is on a short list, and nothing in it can be
# written at run time but what its caller hands in: no .data, no .bss, no thread-local storage.
# sanitizers: no
lib=${1:-${builddir:-.}/.libs/libstack.a}
allowed=' memcpy memset memcmp memmove stack_panic _GLOBAL_OFFSET_TABLE_ '

[ -r "$lib" ] || { echo "$lib: not there"; exit 1; }
# Built for finding bugs, it calls the run time of sanitizers or of coverage.
if nm -u "$lib" | grep -Eq '__asan_|__ubsan_|__gcov_|__sanitizer_'; then
	echo "built with instrumentation"
	exit 77
fi
status=0
# What one member leaves undefined another may define.
needed=$(nm "$lib" | awk -v allowed="$allowed" '
	$1 == "U" || $1 == "w" { need[$2] = 1 }
	NF == 3 { have[$3] = 1 }
	END { for (s in need) if (!(s in have) && !index(allowed, " " s " ")) print s }' | sort)
if [ -n "$needed" ]; then
	echo "libstack needs:" $needed
	status=1
fi
# Constant tables that hold pointers lie in .data.rel.ro, which is not meant.
writable=$(objdump -h "$lib" | awk '
	/file format/ { member = $1 }
	$2 ~ /^\.(data|bss|tdata|tbss)$/ && $3 !~ /^0+$/ { print member, $2 }')
if [ -n "$writable" ]; then
	echo "libstack has writable data:" $writable
	status=1
fi
exit $status

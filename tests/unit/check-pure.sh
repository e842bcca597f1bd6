#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The stack is sans-IO: what libstack leaves undefined is on a short list, and nothing in it can be
# written at run time but what its caller hands in: no .data, no .bss, no thread-local storage.
lib=${1:-${builddir:-.}/.libs/libstack.a}
allowed='memcpy memset memcmp memmove stack_panic _GLOBAL_OFFSET_TABLE_'

[ -r "$lib" ] || { echo "$lib: not there"; exit 1; }
# Built for finding bugs, it calls the sanitizers' and coverage's run time.
if nm -u "$lib" | grep -Eq '__asan_|__ubsan_|__gcov_|__sanitizer_'; then
	echo "built with instrumentation"
	exit 77
fi
nm "$lib" | awk '$1 ~ /^[0-9a-f]+$/ { print $3 }' | sort -u >"${TMPDIR:-/tmp}/pure.$$"
trap 'rm -f "${TMPDIR:-/tmp}/pure.$$"' EXIT
status=0
for sym in $(nm -u "$lib" | awk '$1 == "U" { print $2 }' | sort -u); do
	grep -qxF "$sym" "${TMPDIR:-/tmp}/pure.$$" && continue # another member of the archive has it
	case " $allowed " in
	*" $sym "*) ;;
	*)
		echo "libstack needs $sym"
		status=1
		;;
	esac
done
writable=$(nm "$lib" | awk '$2 ~ /^[bBdDcC]$/ { print $2, $3 }')
if [ -n "$writable" ]; then
	echo "libstack has writable data:"
	echo "$writable"
	status=1
fi
exit $status

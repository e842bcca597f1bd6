# SPDX-License-Identifier: BSD-2-Clause
# The intercepted calls, linked into a program of which they are the first in line, as they would be
# when preloaded. What they call lies in test_calls_standin.c.
EXTRA_DIST += tests/apps/passthrough.sh tests/apps/passthrough_other.c \
	tests/apps/passthrough_sockets.py tests/apps/memlock.sh

check_PROGRAMS += tests/apps/memlock
tests_apps_memlock_SOURCES = tests/apps/memlock.c

if HAVE_CHECK
check_PROGRAMS += tests/unit/test_calls tests/unit/test_calls_signal
TESTS += tests/unit/test_calls tests/unit/test_calls_signal

calls_test_sources = \
	shim/call/epoll.c shim/call/exec.c shim/call/fd.c shim/call/filter.c shim/call/msg.c shim/call/poll.c shim/call/process.c \
	shim/call/rw.c shim/call/sendfile.c shim/call/sig.c shim/call/socket.c shim/call/spawn.c \
	shim/call/syscall.c shim/proc/knobs.c shim/proc/memlock.c shim/call/libc.c shim/proc/image.c shim/proc/log.c \
	shim/call/signal.c shim/call/start.c shim/call/stdio.c shim/proc/thread.c shim/proc/user.c \
	shim/call/vfork.c \
	tests/unit/test_calls.h tests/unit/test_calls_standin.c
calls_test_cppflags = $(AM_CPPFLAGS) -U_FORTIFY_SOURCE -U_FILE_OFFSET_BITS

tests_unit_test_calls_SOURCES = tests/unit/test_calls.c $(calls_test_sources)
tests_unit_test_calls_CPPFLAGS = $(calls_test_cppflags)
tests_unit_test_calls_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_calls_LDADD = $(CHECK_LIBS)
tests_unit_test_calls_signal_SOURCES = tests/unit/test_calls_signal.c $(calls_test_sources)
tests_unit_test_calls_signal_CPPFLAGS = $(calls_test_cppflags)
tests_unit_test_calls_signal_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_calls_signal_LDADD = $(CHECK_LIBS)
endif

# SPDX-License-Identifier: BSD-2-Clause
# Locks, the family, waiting and epoll: with a real arena and stack, a device without packets, and
# sockets whose readiness the test decides (run_env.c).
if HAVE_CHECK
run_tests = tests/unit/test_lock tests/unit/test_family tests/unit/test_wait tests/unit/test_epoll \
	tests/unit/test_threads tests/unit/test_attend
check_PROGRAMS += $(run_tests)
TESTS += $(run_tests)

run_test_sources = \
	shim/fd/epoll.c shim/fd/epoll_wait.c shim/fd/fdtab.c shim/fd/ofd.c shim/fd/poll.c \
	shim/fd/owner.c shim/fd/select.c shim/fd/watch.c shim/proc/clock.c shim/proc/family.c shim/proc/fork.c \
	shim/proc/hide.c shim/proc/knobs.c shim/proc/lock.c shim/proc/log.c shim/proc/panic.c \
	shim/proc/sysctl.c shim/proc/thread.c shim/proc/verdict.c shim/run/door.c \
	shim/run/attend.c shim/run/gate.c shim/run/helper.c shim/run/turn.c shim/run/wait.c tests/unit/run_env.c tests/unit/run_env.h
run_test_cppflags = $(AM_CPPFLAGS) -U_FORTIFY_SOURCE -U_FILE_OFFSET_BITS

tests_unit_test_lock_SOURCES = tests/unit/test_lock.c shim/proc/lock.c shim/proc/log.c \
	shim/proc/panic.c shim/proc/thread.c
tests_unit_test_lock_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_lock_LDADD = $(CHECK_LIBS)
tests_unit_test_family_SOURCES = tests/unit/test_family.c $(run_test_sources)
tests_unit_test_family_CPPFLAGS = $(run_test_cppflags)
tests_unit_test_family_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_family_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_wait_SOURCES = tests/unit/test_wait.c $(run_test_sources)
tests_unit_test_wait_CPPFLAGS = $(run_test_cppflags)
tests_unit_test_wait_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_wait_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_attend_SOURCES = tests/unit/test_attend.c $(run_test_sources)
tests_unit_test_attend_CPPFLAGS = $(run_test_cppflags)
tests_unit_test_attend_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_attend_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_epoll_SOURCES = tests/unit/test_epoll.c $(run_test_sources)
tests_unit_test_epoll_CPPFLAGS = $(run_test_cppflags)
tests_unit_test_epoll_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_epoll_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_threads_SOURCES = tests/unit/test_threads.c $(run_test_sources)
tests_unit_test_threads_CPPFLAGS = $(run_test_cppflags)
tests_unit_test_threads_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_threads_LDADD = libstack.la $(CHECK_LIBS)
endif

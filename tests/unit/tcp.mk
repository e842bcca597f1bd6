# SPDX-License-Identifier: BSD-2-Clause
# TCP: whole connections between two stacks.
if HAVE_CHECK
tcp_tests = tests/unit/test_tcp_pair
# Gigabits: minutes under sanitizers, which the swarm and the wire tests show as much.
if !SANITIZERS
tcp_tests += tests/unit/test_paths
endif
check_PROGRAMS += $(tcp_tests)
TESTS += $(tcp_tests)

tests_unit_test_tcp_pair_SOURCES = tests/unit/test_tcp_pair.c tests/unit/tcp_pair.c \
	tests/unit/tcp_pair.h
tests_unit_test_tcp_pair_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tcp_pair_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_paths_SOURCES = tests/unit/test_paths.c tests/unit/tcp_pair.c \
	tests/unit/tcp_pair.h
tests_unit_test_paths_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_paths_LDADD = libstack.la $(CHECK_LIBS)
endif

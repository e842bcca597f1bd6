# SPDX-License-Identifier: BSD-2-Clause
# TCP: whole connections between two stacks.
if HAVE_CHECK
check_PROGRAMS += tests/unit/test_tcp_pair
TESTS += tests/unit/test_tcp_pair

tests_unit_test_tcp_pair_SOURCES = tests/unit/test_tcp_pair.c tests/unit/tcp_pair.c \
	tests/unit/tcp_pair.h
tests_unit_test_tcp_pair_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tcp_pair_LDADD = libstack.la $(CHECK_LIBS)
endif

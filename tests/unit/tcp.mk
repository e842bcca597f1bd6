# SPDX-License-Identifier: BSD-2-Clause
# TCP: whole connections between two stacks (tcp_pair), and crafted segments with exact answers.
if HAVE_CHECK
tcp_tests = tests/unit/test_tcp_pair tests/unit/test_tcp_wire \
	tests/unit/test_tcp_hard tests/unit/test_reset
check_PROGRAMS += $(tcp_tests)
TESTS += $(tcp_tests)

tests_unit_test_tcp_pair_SOURCES = tests/unit/test_tcp_pair.c tests/unit/tcp_pair.c \
	tests/unit/tcp_pair.h
tests_unit_test_tcp_pair_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tcp_pair_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_tcp_wire_SOURCES = tests/unit/test_tcp_wire.c tests/unit/tcp_wire.c \
	tests/unit/tcp_wire.h
tests_unit_test_tcp_wire_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tcp_wire_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_unit_test_tcp_hard_SOURCES = tests/unit/test_tcp_hard.c tests/unit/tcp_wire.c \
	tests/unit/tcp_wire.h
tests_unit_test_tcp_hard_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tcp_hard_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_unit_test_reset_SOURCES = tests/unit/test_reset.c tests/unit/tcp_wire.c tests/unit/tcp_wire.h
tests_unit_test_reset_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_reset_LDADD = libunit.la libstack.la $(CHECK_LIBS)
endif

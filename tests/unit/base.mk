# SPDX-License-Identifier: BSD-2-Clause
# The parts of the stack below TCP, and the check that the whole of it is pure.
dist_check_SCRIPTS += tests/unit/check-pure.sh
TESTS += tests/unit/check-pure.sh
if HAVE_CHECK
check_LTLIBRARIES += libunit.la
libunit_la_SOURCES = tests/unit/harness.c tests/unit/harness.h
libunit_la_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)

base_tests = tests/unit/test_mem tests/unit/test_wheel tests/unit/test_csum tests/unit/test_rand \
	tests/unit/test_ip tests/unit/test_ip6 tests/unit/test_dst tests/unit/test_udp \
	tests/unit/test_turn
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
base_ldadd = libunit.la libstack.la $(CHECK_LIBS)

tests_unit_test_mem_SOURCES = tests/unit/test_mem.c
tests_unit_test_mem_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_mem_LDADD = $(base_ldadd)
tests_unit_test_wheel_SOURCES = tests/unit/test_wheel.c
tests_unit_test_wheel_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_wheel_LDADD = $(base_ldadd)
tests_unit_test_csum_SOURCES = tests/unit/test_csum.c
tests_unit_test_csum_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_csum_LDADD = $(base_ldadd)
tests_unit_test_rand_SOURCES = tests/unit/test_rand.c
tests_unit_test_rand_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rand_LDADD = $(base_ldadd)
tests_unit_test_ip_SOURCES = tests/unit/test_ip.c
tests_unit_test_ip_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_ip_LDADD = $(base_ldadd)
tests_unit_test_ip6_SOURCES = tests/unit/test_ip6.c
tests_unit_test_ip6_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_ip6_LDADD = $(base_ldadd)
tests_unit_test_dst_SOURCES = tests/unit/test_dst.c
tests_unit_test_dst_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_dst_LDADD = $(base_ldadd)
tests_unit_test_udp_SOURCES = tests/unit/test_udp.c
tests_unit_test_udp_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_udp_LDADD = $(base_ldadd)
tests_unit_test_turn_SOURCES = tests/unit/test_turn.c
tests_unit_test_turn_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_turn_LDADD = $(base_ldadd)
endif

# SPDX-License-Identifier: BSD-2-Clause
# Crafted segments in, exact answers out.
if HAVE_CHECK
wire_tests = tests/wire/open tests/wire/data tests/wire/close tests/wire/hard \
	tests/wire/reset tests/wire/ecn tests/wire/recover tests/wire/flood tests/wire/life \
	tests/wire/errors tests/wire/leave
check_PROGRAMS += $(wire_tests)
TESTS += $(wire_tests)

tests_wire_open_SOURCES = tests/wire/open.c tests/wire/wire.c tests/wire/wire.h
tests_wire_open_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_open_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_data_SOURCES = tests/wire/data.c tests/wire/wire.c tests/wire/wire.h
tests_wire_data_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_data_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_close_SOURCES = tests/wire/close.c tests/wire/wire.c tests/wire/wire.h
tests_wire_close_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_close_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_hard_SOURCES = tests/wire/hard.c tests/wire/wire.c tests/wire/wire.h
tests_wire_hard_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_hard_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_reset_SOURCES = tests/wire/reset.c tests/wire/wire.c tests/wire/wire.h
tests_wire_reset_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_reset_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_ecn_SOURCES = tests/wire/ecn.c tests/wire/wire.c tests/wire/wire.h
tests_wire_ecn_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_ecn_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_recover_SOURCES = tests/wire/recover.c tests/wire/wire.c tests/wire/wire.h
tests_wire_recover_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_recover_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_flood_SOURCES = tests/wire/flood.c tests/wire/wire.c tests/wire/wire.h
tests_wire_flood_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_flood_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_life_SOURCES = tests/wire/life.c tests/wire/wire.c tests/wire/wire.h
tests_wire_life_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_life_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_errors_SOURCES = tests/wire/errors.c tests/wire/wire.c tests/wire/wire.h
tests_wire_errors_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_errors_LDADD = libunit.la libstack.la $(CHECK_LIBS)
tests_wire_leave_SOURCES = tests/wire/leave.c tests/wire/wire.c tests/wire/wire.h
tests_wire_leave_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wire_leave_LDADD = libunit.la libstack.la $(CHECK_LIBS)
endif

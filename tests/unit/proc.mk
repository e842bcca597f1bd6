# SPDX-License-Identifier: BSD-2-Clause
if HAVE_CHECK
check_PROGRAMS += tests/unit/knobs tests/unit/log tests/unit/test_filter
TESTS += tests/unit/knobs tests/unit/log tests/unit/test_filter

tests_unit_knobs_SOURCES = tests/unit/knobs.c shim/proc/knobs.c shim/proc/log.c
tests_unit_knobs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_knobs_LDADD = $(CHECK_LIBS)
tests_unit_log_SOURCES = tests/unit/log.c shim/proc/log.c
tests_unit_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_log_LDADD = $(CHECK_LIBS)
tests_unit_test_filter_SOURCES = tests/unit/test_filter.c shim/proc/filter.c
tests_unit_test_filter_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_filter_LDADD = $(CHECK_LIBS)
endif

# SPDX-License-Identifier: BSD-2-Clause
if HAVE_CHECK
check_PROGRAMS += tests/unit/knobs tests/unit/log
TESTS += tests/unit/knobs tests/unit/log

tests_unit_knobs_SOURCES = tests/unit/knobs.c shim/proc/knobs.c shim/proc/log.c
tests_unit_knobs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_knobs_LDADD = $(CHECK_LIBS)
tests_unit_log_SOURCES = tests/unit/log.c shim/proc/log.c
tests_unit_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_log_LDADD = $(CHECK_LIBS)
endif

# SPDX-License-Identifier: BSD-2-Clause
# Loss recovery and congestion control, each module on its own.
if HAVE_CHECK
recovery_tests = tests/unit/test_sent tests/unit/test_rtt tests/unit/test_recovery \
	tests/unit/test_cc tests/unit/test_cubic tests/unit/test_hystart \
	tests/unit/test_pace
check_PROGRAMS += $(recovery_tests)
TESTS += $(recovery_tests)
recovery_test_env = tests/unit/recovery_env.c tests/unit/recovery_env.h

tests_unit_test_sent_SOURCES = tests/unit/test_sent.c $(recovery_test_env)
tests_unit_test_sent_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_sent_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_rtt_SOURCES = tests/unit/test_rtt.c $(recovery_test_env)
tests_unit_test_rtt_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rtt_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_recovery_SOURCES = tests/unit/test_recovery.c $(recovery_test_env)
tests_unit_test_recovery_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_recovery_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_cc_SOURCES = tests/unit/test_cc.c $(recovery_test_env)
tests_unit_test_cc_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_cc_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_cubic_SOURCES = tests/unit/test_cubic.c $(recovery_test_env)
tests_unit_test_cubic_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_cubic_LDADD = libstack.la $(CHECK_LIBS) -lm
tests_unit_test_hystart_SOURCES = tests/unit/test_hystart.c $(recovery_test_env)
tests_unit_test_hystart_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_hystart_LDADD = libstack.la $(CHECK_LIBS)
tests_unit_test_pace_SOURCES = tests/unit/test_pace.c $(recovery_test_env)
tests_unit_test_pace_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_pace_LDADD = libstack.la $(CHECK_LIBS)
endif

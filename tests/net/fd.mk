# SPDX-License-Identifier: BSD-2-Clause
noinst_PROGRAMS += tests/net/sockdiff
tests_net_sockdiff_SOURCES = tests/net/sockdiff.c tests/net/sockdiff_cases.h \
	tests/net/sockdiff_bind.h tests/net/sockdiff_dgram.h tests/net/sockdiff_events.h \
	tests/net/sockdiff_fault.h tests/net/sockdiff_fds.h tests/net/sockdiff_info.h \
	tests/net/sockdiff_opts.h tests/net/sockdiff_pass.h \
	tests/net/sockdiff_async.h tests/net/sockdiff_bytes.h tests/net/sockdiff_file.h \
	tests/net/sockdiff_sets.h tests/net/sockdiff_setup.h tests/net/sockdiff_stamp.h \
	tests/net/sockdiff_stream.h tests/net/sockdiff_syn.h tests/net/sockdiff_udp.h \
	tests/net/sockdiff_urgent.h tests/net/sockdiff_v6.h tests/net/sockdiff_wait.h \
	tests/net/sockdiff_zerocopy.h
tests_net_sockdiff_CFLAGS = $(AM_CFLAGS) -pthread
noinst_PROGRAMS += tests/net/files
tests_net_files_SOURCES = tests/net/files.c
tests_net_files_CFLAGS = $(AM_CFLAGS) -pthread
EXTRA_DIST += tests/net/files.sh
EXTRA_DIST += tests/net/sockdiff.sh tests/net/sockdiff.diffs
if HAVE_CHECK
check_PROGRAMS += tests/unit/test_fd
TESTS += tests/unit/test_fd
tests_unit_test_fd_SOURCES = tests/unit/test_fd.c shim/fd/fdtab.c shim/fd/ofd.c shim/proc/verdict.c
tests_unit_test_fd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_fd_LDADD = $(CHECK_LIBS)
endif

# Sockets over exec (exec.sh).
EXTRA_DIST += tests/net/changes.sh tests/net/changes.py tests/net/storm.sh tests/net/exec.sh tests/net/pass.sh tests/net/passer.py tests/net/pass_load.sh tests/net/pass_load.py tests/net/lines.py tests/net/pools.py
EXTRA_DIST += tests/net/confined.sh
check_PROGRAMS += tests/net/execer tests/net/storm tests/net/confined
tests_net_confined_SOURCES = tests/net/confined.c
tests_net_confined_CFLAGS = $(AM_CFLAGS) -pthread
tests_net_storm_SOURCES = tests/net/storm.c
tests_net_storm_CFLAGS = $(AM_CFLAGS) -pthread
tests_net_execer_SOURCES = tests/net/execer.c

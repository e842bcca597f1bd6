# SPDX-License-Identifier: BSD-2-Clause
# Wire scripts: the runner, and all scripts on the stack. tests/net/scripts.sh plays them on Linux.
noinst_PROGRAMS += tests/script/run
tests_script_run_SOURCES = tests/script/main.c tests/script/script.h tests/script/parse.c \
	tests/script/parse_seg.c tests/script/parse_call.c tests/script/names.c \
	tests/script/packet.c tests/script/run.c tests/script/matrix.c \
	tests/script/backend_stack.c tests/script/backend_kernel.c
tests_script_run_CFLAGS = $(AM_CFLAGS) -pthread
tests_script_run_LDADD = libstack.la

TESTS += tests/script/all.sh tests/script/self.sh
EXTRA_DIST += tests/script/all.sh tests/script/self.sh tests/script/README.md \
	tests/script/COVERAGE.md tests/script/given tests/net/scripts.sh \
	tests/script/rfc768 tests/script/rfc1122 tests/script/rfc1191 tests/script/rfc2018 \
	tests/script/rfc2861 tests/script/rfc3042 tests/script/rfc3168 tests/script/rfc4015 \
	tests/script/rfc4987 tests/script/rfc5482 tests/script/rfc5681 tests/script/rfc5682 \
	tests/script/rfc5927 tests/script/rfc5961 tests/script/rfc6191 tests/script/rfc6298 \
	tests/script/rfc6582 tests/script/rfc6675 tests/script/rfc7323 tests/script/rfc7413 \
	tests/script/rfc8200 tests/script/rfc8985 tests/script/rfc9293 tests/script/rfc9937
# A folder of scripts more is a word more in EXTRA_DIST.

script-matrix: tests/script/run
	cd $(srcdir)/tests/script && \
	$(abs_builddir)/tests/script/run --given given --matrix rfc* >COVERAGE.md
.PHONY: script-matrix

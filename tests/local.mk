# SPDX-License-Identifier: BSD-2-Clause
# What `make check` runs: tests that need neither root nor a network. scripts/test adds tests/net and
# tests/apps. Each suite brings its own file; how a test reports is told in tests/README.md.
EXTRA_DIST += tests/README.md
include tests/unit/base.mk
include tests/unit/calls.mk
include tests/unit/proc.mk
include tests/unit/recovery.mk
include tests/wire/local.mk
include tests/script/local.mk
include tests/fuzz/local.mk
include tests/sim/local.mk
include tests/grid/local.mk
include tests/unit/run.mk
include tests/unit/tcp.mk
include tests/net/dev.mk
include tests/net/fd.mk
include tests/tools/local.mk
include tests/apps/local.mk
include tests/suites/local.mk
include tests/bench/local.mk
include tests/link/local.mk

# For scripts/test: which tests there are.
list-tests:
	@for t in $(TESTS); do echo $$t; done
.PHONY: list-tests

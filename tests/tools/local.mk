# SPDX-License-Identifier: BSD-2-Clause
TOOL_TESTS = \
	tests/tools/exports.sh \
	tests/tools/man.sh \
	tests/tools/shimrun.sh \
	tests/tools/shimstat.sh
dist_check_SCRIPTS += $(TOOL_TESTS)
TESTS += $(TOOL_TESTS)

# SPDX-License-Identifier: BSD-2-Clause
# Other programs' own tests, run by scripts/suites (root).
EXTRA_DIST += \
	tests/suites/commands.py \
	tests/suites/core.py \
	tests/suites/cpython.py \
	tests/suites/fetch.py \
	tests/suites/known \
	tests/suites/redis_suites.py \
	tests/suites/unittests.py \
	tests/suites/veth.sh

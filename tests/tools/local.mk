# SPDX-License-Identifier: BSD-2-Clause
dist_check_SCRIPTS += tests/tools/man.sh tests/tools/exports.sh
TESTS += tests/tools/man.sh tests/tools/exports.sh

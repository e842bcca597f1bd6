#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
# sanitizers: no
# All wire scripts against Linux: each in a network namespace of its own, many at a time.
# shellcheck disable=SC2154
set -u
cd "$srcdir/tests/script" || exit 1
exec "$builddir/tests/script/run" --backend kernel --given given rfc*

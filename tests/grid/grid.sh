#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # builddir comes from who runs it: tests/README.md
# timeout: 300
# sanitizers: no
# Every row of the table of congestion controls (tests/grid/grid.golden), in virtual time.
exec "$builddir/tests/grid/grid" --full

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
# sanitizers: no
#
# What passes of other programs' own tests natively passes under the shim: a selection that is quick.
# All of them: scripts/suites.
srcdir=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
builddir=${builddir:-$srcdir/build}
BUILD=$builddir exec "$srcdir/scripts/suites" --quick

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # builddir comes from who runs it: tests/README.md
# The device room against the kernel over a veth, the steering program in native mode.
# timeout: 110
set -u
make -s -C "$builddir" tests/net/dev_attach >&2 || exit 1
exec "$builddir/tests/net/dev_attach" native

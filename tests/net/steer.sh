#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # builddir comes from who runs it: tests/README.md
# The steering program's decisions, packet by packet (root; no interface is touched).
set -u
[ "$(id -u)" = 0 ] || {
	echo "the steering program needs root"
	exit 77
}
make -s -C "$builddir" tests/net/steer >&2 || exit 1
exec unshare -n "$builddir/tests/net/steer"

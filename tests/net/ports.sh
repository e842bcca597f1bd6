#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Ports of connections are in use for everybody on the machine, and free again afterwards; and where
# the stack is not in the way the same program says so of the kernel.
# shellcheck disable=SC2154
set -u
[ "$(id -u)" = 0 ] || { echo "needs root for a network namespace"; exit 77; }
alone() { unshare -n sh -c 'ip link set lo up && exec "$@"' sh "$@"; }
alone env SHIM_LOOPBACK=1 SHIM_IFACE=none LD_PRELOAD="$builddir/.libs/libshim.so" \
	timeout 60 "$builddir/tests/net/ports" || exit 1
native=$(alone timeout 60 "$builddir/tests/net/ports") || { echo "natively: $native"; exit 1; }

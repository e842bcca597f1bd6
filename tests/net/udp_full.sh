#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A UDP socket whose kernel's door has no room: its readiness and timeouts are Linux's. The kernel's
# packets leave its interface at 100 kbit/s, so that they wait.
# shellcheck source=scripts/lib/net.sh disable=SC2154
set -u
. "$srcdir/scripts/lib/net.sh"
net_up || exit 1
slow() { on_srv tc qdisc add dev "$1" root tbf rate 100kbit burst 2kb limit 200kb; }
slow "$NET_SHIM_IF" && slow "$(on_srv ip -o addr show to "$NET_KERN_SRV" | awk '{print $2}')" ||
	{ echo "no tbf"; exit 77; }
on_srv env SHIM_IFACE="$NET_SHIM_IF" LD_PRELOAD="$builddir/.libs/libshim.so" \
	timeout 60 "$builddir/tests/net/udp_full" "$NET_SHIM_SRV" || exit 1
native=$(on_srv timeout 60 "$builddir/tests/net/udp_full" "$NET_KERN_SRV") ||
	{ echo "natively: $native"; exit 1; }

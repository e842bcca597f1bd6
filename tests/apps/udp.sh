#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
# sanitizers: no
# Datagrams between the kernel and the library over a veth, both ways: trains by UDP_SEGMENT and
# UDP_GRO with ECN on each, 8000 bytes in fragments, echoes; every byte and every ECN bit checked.
# shellcheck disable=SC2154
set -u
. "$srcdir/scripts/lib/net.sh"
lib=$builddir/.libs/libshim.so
py=$srcdir/tests/apps/udp_trains.py
command -v python3 >/dev/null || { echo "SKIP: no python3"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "SKIP: needs root"; exit 77; }
dir=$(mktemp -d) || exit 1
taker=
finish() {
	[ -z "$taker" ] || kill "$taker" 2>/dev/null
	net_down 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM
net_up || exit 1
shim="env SHIM_IFACE=$NET_SHIM_IF LD_PRELOAD=$lib"
n=0 bad=0

run() { # run NAME TAKER-NS TAKER-ENV GIVER-NS GIVER-ENV TAKER-ADDRESS GIVER-ADDRESS
	n=$((n + 1))
	# shellcheck disable=SC2086
	ip netns exec "$2" $3 python3 "$py" take "$6" 4434 >"$dir/take" 2>&1 &
	taker=$!
	i=0
	while [ $i -lt 50 ] && ! grep -q ready "$dir/take"; do
		sleep 0.1
		i=$((i + 1))
	done
	# shellcheck disable=SC2086
	if timeout 50 ip netns exec "$4" $5 python3 "$py" give "$6" 4434 $n "$7" >"$dir/give" 2>&1 &&
		wait "$taker"; then
		echo "ok $n - $1: $(cat "$dir/give")"
	else
		sed 's/^/# /' "$dir/give" "$dir/take"
		echo "not ok $n - $1"
		kill "$taker" 2>/dev/null
		bad=1
	fi
	taker=
}

run "kernel to library" "$NET_SRV" "$shim" "$NET_CLI" "" "$NET_SHIM_SRV" "$NET_SHIM_CLI"
run "library to kernel" "$NET_CLI" "" "$NET_SRV" "$shim" "$NET_SHIM_CLI" "$NET_SHIM_SRV"
run "library to library" "$NET_CLI" "$shim" "$NET_SRV" "$shim" "$NET_SHIM_CLI" "$NET_SHIM_SRV"
echo "1..$n"
exit $bad

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
# sanitizers: no
# A thousand connections of a kernel client through a link that loses 3 % of the packets in both
# directions and takes 20 ms each way: 1 MB each way on each, every byte compared.
# shellcheck disable=SC2154
set -u
. "$srcdir/scripts/lib/net.sh"
. "$srcdir/tests/link/lib.sh"
net_root || { echo "needs root"; exit 77; }
conns=${CONNS:-1000} bytes=${BYTES:-1000000}

link_guard
link_up || exit 1
log=$(mktemp)
serve() { # serve ENV...: the server, until it is ready
	# shellcheck disable=SC2016
	on_srv env "$@" "$builddir/tests/link/transfer" serve 7000 >"$log" 2>&1 &
	server=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		grep -qs ready "$log" && return 0
		sleep 0.2
	done
	cat "$log"
	return 1
}

link_set --delay-us 20000 --loss-ppm 30000 --seed 7 || exit 1
serve SHIM_IFACE=$LINK_IF LD_PRELOAD="$builddir/.libs/libshim.so" || exit 1
before=$(on_srv awk '/^Tcp: [0-9]/ {print $11}' /proc/net/snmp)
result=$(on_cli "$builddir/tests/link/transfer" client $LINK_SRV 7000 "$conns" "$bytes" 200 2>&1)
status=$?
after=$(on_srv awk '/^Tcp: [0-9]/ {print $11}' /proc/net/snmp)
kill "$server" "$link_pid" 2>/dev/null
wait "$server" 2>/dev/null
sleep 0.2
echo "$result" | sed 's/^/# /'
sed 's/^/# /' "$link_log" "$log"
echo "# the kernel of the server's side took $((after - before)) segments"
rm -f "$log"
if [ $status = 0 ] && [ $((after - before)) -lt 100 ]; then
	echo "ok 1 - $conns connections, $bytes bytes each way, 3 % loss: all whole, through the stack"
else
	echo "not ok 1 - $conns connections, $bytes bytes each way, 3 % loss: all whole, through the stack"
	exit 1
fi

#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# sanitizers: no
# 100,000 connections (CONNS=N for others) of a kernel client, open and idle, and then each used
# once: no error, and every pool at rest when they are closed.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
conns=${CONNS:-100000}
# A process's descriptors, some for itself, bound what one holds.
workers=$((conns / ($(ulimit -Hn) > 120000 ? 30000 : $(ulimit -Hn) - 2000) + 1))

net_up || skip_all "no namespaces"
srv many "$builddir/tests/apps/many" serve 7100 $workers
server=$pid
check "the server is ready" wait_port "$NS_CLI" "$IP_SRV" 7100
mkfifo "$work/go"
before=$(kernel_tcp_in)
begin=$(date +%s%N)
ip netns exec "$NS_CLI" sh -c 'echo "1024 65535" >/proc/sys/net/ipv4/ip_local_port_range'
CLI_SECONDS=280 cli "$builddir/tests/apps/many" client "$IP_SRV" 7100 $workers "$conns" \
	<"$work/go" >"$work/client" 2>&1 &
client=$!
exec 3>"$work/go"
for _ in $(seq 1500); do
	grep -q '^open' "$work/client" && break
	kill -0 $client 2>/dev/null || break
	sleep 0.1
done
check "$conns connections are open" grep -q "^open $conns" "$work/client"
opened=$(date +%s%N)
established() { "$SHIMSTAT" --json "$server" | grep -c '"state": *"ESTAB"'; }
all_seen() {
	local n
	n=$(established)
	echo "shimstat shows $n"
	[ "$n" -ge "$conns" ]
}
check "shimstat shows all of them" all_seen
go=$(date +%s%N)
exec 3>&-
wait $client
status=$? used=$(date +%s%N)
check "each was used, and echoed its own message" [ $status = 0 ]
sed 's/^/# /' "$work/client"
ms() { echo $((($2 - $1) / 1000000)) ms; }
echo "# opened in $(ms "$begin" "$opened"), used and closed in $(ms "$go" "$used")"
"$SHIMSTAT" -f "$server" | sed 's/^/# /'
quiet() { [ $(($(kernel_tcp_in) - before)) -lt 100 ]; }
check "the kernel's TCP took none of it" quiet
at_rest() {
	for _ in $(seq 100); do
		[ "$(established)" = 0 ] && return 0
		sleep 0.1
	done
	"$SHIMSTAT" "$server" | head -20
	return 1
}
check "none is left" at_rest
check "the server still lives" kill -0 "$server"
tap_done

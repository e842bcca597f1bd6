#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# ngtcp2's server and client (HTTP/3 over QUIC): native, the server under the shim, the client, and
# both, over IPv4 and IPv6. Every file must come and go whole, in trains of datagrams (UDP_SEGMENT)
# and with ECN in both directions: a QUIC receiver acknowledges marks by frames of their own
# (ACK_ECN, RFC 9000 19.3), so each side's view of the other's marks is in the client's log.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need gtlsserver gtlsclient openssl python3 ethtool

net_up
port=4433
quiet=(-q)
mkdir -p "$work/www" "$work/got"
head -c 3000000 /dev/urandom >"$work/www/big"
head -c 1 /dev/urandom >"$work/www/one"
for i in 1 2 3 4 5 6 7 8; do head -c 200000 /dev/urandom >"$work/www/f$i"; done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
	-keyout "$work/key" -out "$work/cert" >/dev/null 2>&1 || skip_all "no certificate can be made"

# Datagrams that the kernel's sockets in a namespace were given, of both families.
kernel_udp_in() {
	ip netns exec "$1" cat /proc/net/snmp /proc/net/snmp6 |
		awk '$1 == "Udp:" && n++ { t += $2 } $1 == "Udp6InDatagrams" { t += $2 } END { print t }'
}

# counter PID NAME: of a shimmed process.
counter() {
	"$SHIMSTAT" --json "$1" | python3 -c '
import json, sys
print(sum(s["counters"].get(sys.argv[1], 0)
	for f in json.load(sys.stdin)["families"] for s in f["stacks"]))' "$2"
}

start() { # start shim|kernel
	if [ "$1" = shim ]; then
		srv "server" gtlsserver -q -d "$work/www" --max-dyn-length=100M '*' $port "$work/key" "$work/cert"
	else
		srv_kernel "$NS_SRV" server gtlsserver -q -d "$work/www" '*' $port "$work/key" "$work/cert"
	fi
	for _ in $(seq 50); do
		ip netns exec "$NS_SRV" ss -Huln "sport = :$port" | grep -q . && break
		sleep 0.1
	done
	[ "$1" = kernel ] && return 0
	for _ in $(seq 50); do
		accelerated server >/dev/null && return 0
		sleep 0.1
	done
	accelerated server
}

# fetch SIDE ADDRESS FILE...: with the client under the shim or not.
fetch() {
	local side=$1 addr=$2 urls=() f run=cli
	shift 2
	rm -f "$work"/got/*
	for f; do urls+=("https://test/$f"); done
	[ "$side" = kernel ] || run=cli_shim
	# An exchange takes a second; retransmission timers that run out show as 30 and more.
	$run timeout 20 gtlsclient "${quiet[@]}" --no-http-dump --exit-on-all-streams-close --sni=test \
		--download="$work/got" "$addr" $port "${urls[@]}" >"$work/client.log" 2>&1 || {
		tail -n 5 "$work/client.log"
		return 1
	}
	for f; do
		cmp "$work/www/$f" "$work/got/$f" || return 1
	done
}

# A file fetched with the log on; both have seen the other's marks.
ecn_both_ways() {
	local quiet=()
	fetch "$@" f1 || return 1
	grep -q 'rx.* ACK(0x03)' "$work/client.log" || { echo "the server saw no ECT"; return 1; }
	grep -q 'tx.* ACK(0x03)' "$work/client.log" || { echo "the client saw no ECT"; return 1; }
}

upload() {
	local run=cli
	[ "$1" = kernel ] || run=cli_shim
	$run timeout 20 gtlsclient -q --no-http-dump --exit-on-all-streams-close --sni=test -m POST \
		-d "$work/www/big" "$2" $port https://test/one >"$work/client.log" 2>&1
}

# No datagram of the exchange reaches a socket of the kernel on the accelerated side.
uncounted() { # uncounted NAMESPACE COMMAND...
	local ns=$1 before after
	shift
	before=$(kernel_udp_in "$ns")
	"$@" || return 1
	after=$(kernel_udp_in "$ns")
	[ "$before" = "$after" ] || { echo "the kernel's datagrams: $before -> $after"; return 1; }
}

trains() {
	local n
	n=$(counter "$server" udp_tx_trains)
	echo "trains: $n"
	[ "$n" -gt 10 ]
}

# A train goes over a veth in one piece, and one piece is what the kernel has to take apart: a client
# under the shim is sent datagrams as a wire would bring them.
on_a_wire() {
	ip netns exec "$NS_SRV" ethtool -K "$IF_SRV" tx-udp-segmentation "$1" >/dev/null
}

for pair in kernel-kernel shim-kernel kernel-shim shim-shim; do
	s=${pair%-*} c=${pair#*-}
	if [ "$c" = kernel ]; then on_a_wire on; else on_a_wire off; fi
	check "server on $s: starts" start "$s"
	server=$pid
	for a in "$NET_SHIM_SRV" "$NET_SHIM_SRV6"; do
		on="$s to a client on $c, $a"
		guard=()
		[ "$s" = kernel ] || guard=(uncounted "$NS_SRV")
		[ "$c" = kernel ] || guard+=(uncounted "$NS_CLI")
		check "3 MB from $on" "${guard[@]}" fetch "$c" "$a" big
		check "ECN both ways, $on" ecn_both_ways "$c" "$a"
		check "a byte and eight files at once from $on" \
			"${guard[@]}" fetch "$c" "$a" one f1 f2 f3 f4 f5 f6 f7 f8
		check "3 MB up to $on" "${guard[@]}" upload "$c" "$a"
	done
	[ "$pair" != shim-kernel ] || check "the server sent trains" trains
	check "ends" end_pid "$server"
done
tap_done

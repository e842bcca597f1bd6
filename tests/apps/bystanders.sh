#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# What else lives on the interface of an accelerated server, while that server is busy: ping,
# traceroute (UDP, ICMP and TCP) in both directions, and a DHCP server that leases addresses to
# clients on the same link. None of it is accelerated, all of it must work.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need redis-server redis-cli ping traceroute dnsmasq udhcpc

net_up
port=6379
# Pings are many here, and answers are not to be rationed.
ip netns exec "$NS_SRV" sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
	echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
ip netns exec "$NS_CLI" sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
	echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'

start() {
	srv redis redis-server --port $port --bind 0.0.0.0 -::* --protected-mode no --save "" --dir "$work"
	server=$pid
	wait_port "$NS_CLI" "$IP_SRV" $port && accelerated redis && xdp_attached
}

# Until it is told to end: a few thousand requests a second. As many as go would fill the sockets of
# those that read every packet of the interface (a DHCP client), and natively no less.
load() {
	local family_addr=$1
	for _ in 1 2 3 4; do
		srv_kernel "$NS_CLI" load redis-cli -h "$family_addr" -p $port -r 100000000 -i 0.001 incr x
		loads+=("$pid")
	done
}

commands() { # that the server has served so far
	cli redis-cli -h "$IP_SRV" -p $port info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p'
}

# busily COMMAND...: while it ran, the server served, by the stack alone.
busily() {
	local before after segs
	before=$(commands)
	segs=$(kernel_tcp_in)
	"$@" || return 1
	sleep 0.2
	segs=$(($(kernel_tcp_in) - segs))
	after=$(commands)
	echo "served meanwhile: $((after - before)), segments by the kernel: $segs"
	[ $((after - before)) -gt 100 ] && [ $segs -le "${kernel_segs:-0}" ]
}

pings() { # pings NAMESPACE ADDRESS [ARGUMENTS]: all answered
	local out
	out=$(ip netns exec "$1" ping -q -c 50 -i 0.01 -W 2 "${@:3}" "$2")
	grep ' 50 received' <<<"$out" && return 0
	echo "$out"
	return 1
}

traces() { # traces NAMESPACE ADDRESS ARGUMENTS: there in one hop
	local out
	out=$(ip netns exec "$1" traceroute -n -w 2 -m 3 "${@:3}" "$2" 2>&1)
	echo "$out"
	grep -q "^ 1  ${2}  " <<<"$out"
}

# A DHCP server on the server's interface, or another machine's client of it: a lease, renewed.
cat >"$work/lease" <<'SH'
#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
echo "$1 $ip $router" >>"$LEASES"
SH
chmod +x "$work/lease"

dhcp() { # dhcp SERVER-NAMESPACE SERVER-ADDRESS CLIENT-NAMESPACE FIRST LAST
	local d
	rm -f "$work/leases" "$work/leases.db"
	srv_kernel "$1" dhcp dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface="$IF_SRV" \
		--except-interface=lo --bind-interfaces --dhcp-range="$4,$5,2m" --user=root --pid-file= \
		--dhcp-leasefile="$work/leases.db" --dhcp-authoritative --no-ping
	d=$pid
	for _ in $(seq 50); do
		ip netns exec "$1" ss -Huln 'sport = :67' | grep -q . && break
		sleep 0.1
	done
	ip netns exec "$3" env LEASES="$work/leases" timeout 20 udhcpc -f -q -n -t 5 -T 2 -i "$IF_CLI" \
		-s "$work/lease" || { cat "$work/dhcp.log"; return 1; }
	end_pid "$d"
	cat "$work/leases"
	grep -q "^bound ${4%.*}\." "$work/leases"
}

loads=()
check "redis under the shim" start
load "$IP_SRV"
load "$NET_SHIM_SRV6"
sleep 0.5
for a in "$IP_SRV" "$NET_SHIM_SRV6"; do
	check "ping to the server, $a" busily pings "$NS_CLI" "$a"
	check "ping in fragments, $a" busily pings "$NS_CLI" "$a" -s 4000
	check "traceroute to the server by UDP, $a" busily traces "$NS_CLI" "$a"
	check "traceroute by ICMP, $a" busily traces "$NS_CLI" "$a" -I
	# To a port that nobody has, and so the kernel's.
	kernel_segs=100
	check "traceroute by TCP to a port of the kernel's, $a" busily traces "$NS_CLI" "$a" -T -p 81
	kernel_segs=0
	check "traceroute by TCP to the port of the server, $a" busily traces "$NS_CLI" "$a" -T -p $port
done
for a in "$IP_CLI" "$NET_SHIM_CLI6"; do
	check "ping from the server's machine, $a" busily pings "$NS_SRV" "$a"
	check "traceroute from there by UDP, $a" busily traces "$NS_SRV" "$a"
	check "traceroute from there by ICMP, $a" busily traces "$NS_SRV" "$a" -I
done
check "a DHCP server on the interface leases an address" \
	busily dhcp "$NS_SRV" "$IP_SRV" "$NS_CLI" 10.77.1.100 10.77.1.110
check "a DHCP client on the interface gets one" \
	busily dhcp "$NS_CLI" "$IP_CLI" "$NS_SRV" 10.77.1.120 10.77.1.130
for p in "${loads[@]}"; do
	check "the load went on all the time" kill -0 "$p"
	kill "$p" 2>/dev/null
done
# And one that runs under the shim itself: its raw and packet sockets are the kernel's.
dhcp_shimmed() {
	srv dhcpd dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface="$IF_SRV" \
		--except-interface=lo --bind-interfaces --dhcp-range=10.77.1.140,10.77.1.150,2m --user=root \
		--pid-file= --dhcp-leasefile="$work/leases2.db" --dhcp-authoritative --no-ping
	rm -f "$work/leases"
	sleep 1
	ip netns exec "$NS_CLI" env LEASES="$work/leases" SHIM_IFACE="$IF_CLI" LD_PRELOAD="$LIBSHIM" \
		timeout 20 udhcpc -f -q -n -t 5 -T 2 -i "$IF_CLI" -s "$work/lease" || {
		cat "$work/dhcpd.log"
		return 1
	}
	grep -q '^bound 10.77.1.1[45]' "$work/leases"
}
check "redis ends" end_pid "$server"
check "a DHCP server and its client, both under the shim" dhcp_shimmed
check "ping under the shim" cli_shim ping -q -c 3 -i 0.1 "$IP_SRV"
check "traceroute under the shim" cli_shim traceroute -n -w 2 -m 3 "$IP_SRV"
tap_done

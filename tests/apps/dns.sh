#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# Name servers: unbound answers 100,000 queries over UDP and as many over TCP, dnsmasq 100,000 over
# UDP and (it forks for each connection and ends it after 100 queries) a share over TCP, all under the
# shim, over IPv4 and IPv6. None may be lost that isn't lost natively, and a sample of the answers is
# looked at byte by byte.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need dnsmasq unbound dnsperf python3

net_up
NAMES=1000 # each with an A and an AAAA
QUERIES=100000
python3 - "$work" $NAMES <<'PY'
import sys
work, n = sys.argv[1], int(sys.argv[2])
with open(work + "/hosts", "w") as hosts, open(work + "/queries", "w") as q, \
        open(work + "/zone", "w") as zone:
    for i in range(n):
        hosts.write(f"192.0.{i // 250}.{i % 250 + 1} h{i}.test\n2001:db8::{i:x} h{i}.test\n")
        zone.write(f'local-data: "h{i}.test. 10 A 192.0.{i // 250}.{i % 250 + 1}"\n'
                   f'local-data: "h{i}.test. 10 AAAA 2001:db8::{i:x}"\n')
        q.write(f"h{i}.test A\nh{i}.test AAAA\n")
PY

# A query of Python's own, so that every byte of an answer is looked at.
cat >"$work/ask.py" <<'PY'
import socket, struct, sys
how, server, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
fam = socket.AF_INET6 if ":" in server else socket.AF_INET
def query(ident, i, qtype):
    return (struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + bytes([len(f"h{i}")]) +
            f"h{i}".encode() + b"\4test\0" + struct.pack(">HH", qtype, 1))
def exchange(q):
    if how == "udp":
        s.send(q)
        return s.recv(4096)
    s.sendall(struct.pack(">H", len(q)) + q)
    size = struct.unpack(">H", s.recv(2, socket.MSG_WAITALL))[0]
    return s.recv(size, socket.MSG_WAITALL)
s = socket.socket(fam, socket.SOCK_DGRAM if how == "udp" else socket.SOCK_STREAM)
s.settimeout(5)
s.connect((server, 53))
for i in range(0, n, 10):
    for qtype, want in ((1, socket.inet_aton(f"192.0.{i // 250}.{i % 250 + 1}")),
                        (28, socket.inet_pton(socket.AF_INET6, f"2001:db8::{i:x}"))):
        q = query(i, i, qtype)
        a = exchange(q)
        assert a[:2] == q[:2] and a[2] & 0x80 and a[3] & 15 == 0, a
        assert struct.unpack(">H", a[6:8])[0] == 1 and a.endswith(want), (a, want)
PY

cat >"$work/unbound.conf" <<CONF
server:
	interface: 0.0.0.0
	interface: ::0
	do-daemonize: no
	username: ""
	chroot: ""
	directory: "$work"
	pidfile: ""
	use-syslog: no
	logfile: ""
	num-threads: 1
	incoming-num-tcp: 100
	access-control: 0.0.0.0/0 allow
	access-control: ::0/0 allow
	module-config: "iterator"
	local-zone: "test." static
	include: "$work/zone"
remote-control:
	control-enable: no
CONF

start() { # start PROGRAM kernel|shim
	local args=(unbound -d -c "$work/unbound.conf")
	[ "$1" = unbound ] || args=(dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts
		--addn-hosts="$work/hosts" --user=root --pid-file= --local=/test/
		--local-ttl=10 --edns-packet-max=1232)
	if [ "$2" = shim ]; then
		srv "$1" "${args[@]}"
	else
		srv_kernel "$NS_SRV" "$1" "${args[@]}"
	fi
	wait_port "$NS_CLI" "$IP_SRV" 53 || { cat "$work/$1.log"; return 1; }
	[ "$2" = kernel ] || accelerated "$1"
}

# load MODE ADDRESS QUERIES: sent, completed, lost, and how many were answered without an error.
load() {
	cli dnsperf -m "$1" -s "$2" -d "$work/queries" -n $(($3 / (2 * NAMES))) -c 10 -q 50 -t 5 \
		>"$work/perf" 2>&1
	awk '/Queries sent:/ { s = $3 } /Queries lost:/ { l = $3 } /Queries completed:/ { c = $3 }
		/Response codes:/ && $3 == "NOERROR" { r = $4 }
		END { print s + 0, c + 0, l + 0, r + 0 }' "$work/perf"
}

declare -A natively
# lossless PROGRAM SIDE MODE ADDRESS QUERIES
lossless() {
	local sent completed lost right
	read -r sent completed lost right <<<"$(load "$3" "$4" "$5")"
	echo "sent $sent, completed $completed, lost $lost, right $right; natively ${natively[$1$3$4]-}"
	[ "$2" = shim ] || natively[$1$3$4]=$lost
	[ "$sent" = "$5" ] && [ "$right" = "$completed" ] &&
		[ $((completed + lost)) = "$sent" ] && [ "$lost" -le "${natively[$1$3$4]}" ] && return 0
	tail -n 15 "$work/perf"
	return 1
}

kernel_in() {
	ip netns exec "$NS_SRV" cat /proc/net/snmp /proc/net/snmp6 |
		awk '$1 == "Udp:" && u++ { t += $2 } $1 == "Udp6InDatagrams" { t += $2 }
			$1 == "Tcp:" && s++ { t += $11 } END { print t }'
}

# Neither a datagram nor a segment of it went by the kernel.
all_by_the_stack() {
	local before after
	before=$(kernel_in)
	"$@" || return 1
	after=$(kernel_in)
	[ "$before" = "$after" ] || { echo "the kernel took in $before -> $after"; return 1; }
}

answers_right() { # answers_right ADDRESS
	local how
	for how in udp tcp; do
		cli python3 "$work/ask.py" $how "$1" 400 || return 1
	done
}

for program in unbound dnsmasq; do
	for side in kernel shim; do
		check "$program on $side: starts" start $program $side
		by=()
		[ $side = kernel ] || by=(all_by_the_stack)
		for a in "$IP_SRV" "$NET_SHIM_SRV6"; do
			check "$program on $side: right answers, $a" "${by[@]}" answers_right "$a"
		done
		# Natively a fifth, to see whether anything is lost.
		[ $side = shim ] && n=$QUERIES || n=$((QUERIES / 5))
		check "$program on $side: $n queries over UDP" \
			"${by[@]}" lossless $program $side udp "$IP_SRV" $n
		check "$program on $side: $((n / 5)) queries over UDP, IPv6" \
			"${by[@]}" lossless $program $side udp "$NET_SHIM_SRV6" $((n / 5))
		if [ $program = unbound ]; then
			check "$program on $side: $n queries over TCP" \
				"${by[@]}" lossless $program $side tcp "$IP_SRV" $n
			check "$program on $side: $((n / 5)) queries over TCP, IPv6" \
				"${by[@]}" lossless $program $side tcp "$NET_SHIM_SRV6" $((n / 5))
		fi
		check "$program on $side: ends" end_pid "$pid"
	done
done
tap_done

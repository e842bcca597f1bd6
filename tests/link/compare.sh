#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 600
# sanitizers: no
# The stack beside Linux's, over the same link: one bulk flow from the server's namespace to a
# receiver on the kernel in the client's, through an emulated link of so much rate, loss and delay.
# The senders take turns, so that what disturbs the machine disturbs all of them. Not a test: it
# measures, and wants a quiet machine.
#
#   srcdir=. builddir=build tests/link/compare.sh [SECONDS [ROUNDS]]    default 4 1: under 6 minutes
#
# RATES (Mbit/s), LOSSES (frames in a million), RTTS (ms) and CONTROLS (of cubic, bbr, reno) change
# what is measured. The queue holds one BDP, at least 64 KB.
#
# Prints a line for each path: for each control the goodput of the kernel and of the shim in Mbit/s
# (the median of the rounds) and their ratio. An asterisk: the shim's bytes went by the kernel.
# shellcheck disable=SC2154
set -u
: "${srcdir:=.}" "${builddir:=build}"
srcdir=$(cd "$srcdir" && pwd) && builddir=$(cd "$builddir" && pwd) || exit 1
. "$srcdir/scripts/lib/net.sh"
. "$srcdir/tests/link/lib.sh"
net_root || { echo "needs root"; exit 77; }
make -s -C "$builddir" all tests/link/bulk tests/link/emulate || exit 1
seconds=${1:-4} rounds=${2:-1}
rates=${RATES:-100 1000} losses=${LOSSES:-0 1000 10000} rtts=${RTTS:-20 100}
controls=${CONTROLS:-cubic bbr}
port=7100

link_guard
link_up || exit 1
dir=$(mktemp -d)
buffers() { # buffers NAMESPACE: windows as long fat paths need them
	ip netns exec "$1" sh -c '
		echo "4096 131072 268435456" >/proc/sys/net/ipv4/tcp_rmem
		echo "4096 16384 268435456" >/proc/sys/net/ipv4/tcp_wmem
		echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save'
}
buffers "$NET_SRV"
buffers "$NET_CLI"

# one KERNEL-OR-SHIM CONTROL: the goodput of one flow, Mbit/s; * when it did not go where it should
one() {
	port=$((port + 1))
	on_cli "$builddir/tests/link/bulk" sink "$port" "$seconds" >"$dir/sink" 2>&1 &
	sink=$!
	sleep 0.2
	before=$(on_srv awk '/^Tcp: [0-9]/ {print $12}' /proc/net/snmp)
	if [ "$1" = shim ]; then
		on_srv env LD_PRELOAD="$builddir/.libs/libshim.so" SHIM_IFACE=$LINK_IF SHIM_CC="$2" \
			"$builddir/tests/link/bulk" source $LINK_CLI "$port" "$seconds" 2>"$dir/source"
	else
		on_srv "$builddir/tests/link/bulk" source $LINK_CLI "$port" "$seconds" "$2" \
			2>"$dir/source"
	fi
	wait $sink
	after=$(on_srv awk '/^Tcp: [0-9]/ {print $12}' /proc/net/snmp)
	star=
	[ "$1" = kernel ] || [ $((after - before)) -lt 100 ] || star="*"
	echo "$(tail -1 "$dir/sink")$star"
}

median() { sort -n "$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

echo "# goodput, Mbit/s, of the first $seconds s of one flow; kernel $(uname -r); rounds: $rounds"
printf '# %-6s %-7s %-6s' Mbit/s loss rtt
for cc in $controls; do printf ' | %9s %9s %6s' "$cc:kern" "$cc:shim" ratio; done
echo
for rtt in $rtts; do
	for rate in $rates; do
		for loss in $losses; do
			queue=$((rate * 125 * rtt))
			[ $queue -ge 65536 ] || queue=65536
			rm -f "$dir"/m.*
			n=0
			while [ $n -lt "$rounds" ]; do
				n=$((n + 1))
				for cc in $controls; do
					for who in kernel shim; do
						link_set --delay-us $((rtt * 500)) --rate-mbit "$rate" \
							--queue-bytes $queue --loss-ppm "$loss" --seed $n || exit 1
						one $who "$cc" >>"$dir/m.$who.$cc"
						[ -z "${VERBOSE:-}" ] || tail -1 "$dir/m.$who.$cc" |
							sed "s/^/# $rate $loss $rtt $who $cc /"
					done
				done
			done
			printf '  %-6s %-7s %-6s' "$rate" "$(awk "BEGIN {print $loss / 10000}")%" "${rtt}ms"
			for cc in $controls; do
				k=$(median "$dir/m.kernel.$cc") s=$(median "$dir/m.shim.$cc")
				printf ' | %9s %9s %6s' "$k" "$s" \
					"$(awk "BEGIN {k = ${k%\*} + 0; if (k > 0) printf \"%.2f\", (${s%\*} + 0) / k; else print \"-\"}")"
			done
			echo
		done
	done
done
rm -rf "$dir"

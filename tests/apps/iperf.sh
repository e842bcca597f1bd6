#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# iperf3, server or client under the shim against one of the kernel's: TCP and UDP, from the client and
# from the server (-R), over IPv4 and IPv6. The accounts of both ends must agree, and the stack must have
# carried the bytes. No rate is asserted.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need iperf3 python3

net_up

# The kernel's TCP and UDP in the namespace of the shim: received, sent.
kernel_has() {
	ip netns exec "$1" cat /proc/net/snmp /proc/net/snmp6 |
		awk '$1 == "Udp:" && u++ { t += $2 + $5 } $1 == "Udp6InDatagrams" { t += $2 }
			$1 == "Udp6OutDatagrams" { t += $2 } $1 == "Tcp:" && s++ { t += $11 + $12 }
			END { print t }'
}

# What the client's report says was moved, and lost.
judge() { # judge tcp|udp
	python3 - "$1" "$work/report" <<'PY'
import json, sys
how, path = sys.argv[1:]
r = json.load(open(path))
assert "error" not in r, r["error"]
end = r["end"]
if how == "tcp":
    sent, got = end["sum_sent"]["bytes"], end["sum_received"]["bytes"]
    print(f"sent {sent}, received {got}")
    assert got > 20e6, "nothing to speak of"
    # What is in buffers when the clock stops is not counted by the receiver.
    assert sent / 2 < got <= sent, "bytes are missing"
else:
    s = end["sum"]
    print(f"{s['packets']} datagrams, lost {s['lost_packets']}, jitter {s['jitter_ms']:.3f} ms")
    assert s["packets"] > 2000
    assert s["lost_packets"] <= s["packets"] * 0.02, "lost"
PY
}

run() { # run shim|kernel NAMESPACE-OF-THE-SHIM tcp|udp ARGUMENTS...
	local client=$1 shim=$2 how=$3 before after cmd=cli
	shift 3
	[ "$client" = kernel ] || cmd=cli_shim
	tcp_settled "$shim" || return 1
	before=$(kernel_has "$shim")
	$cmd timeout 30 iperf3 -J -t 1 "$@" >"$work/report" || { tail -n 5 "$work/report"; return 1; }
	after=$(kernel_has "$shim")
	judge "$how" || return 1
	[ "$before" = "$after" ] || { echo "the kernel's packets there: $before -> $after"; return 1; }
}

for side in server client; do
	if [ $side = server ]; then
		srv server iperf3 -s
		on=$NS_SRV client=kernel
	else
		srv_kernel "$NS_SRV" server iperf3 -s
		on=$NS_CLI client=shim
	fi
	for _ in $(seq 50); do
		ip netns exec "$NS_SRV" ss -Htln 'sport = :5201' | grep -q . && break
		sleep 0.1
	done
	[ $side = client ] || check "a server under the shim" accelerated server
	for a in "$IP_SRV" "$NET_SHIM_SRV6"; do
		for way in "" -R; do
			args=(-c "$a" ${way:+"$way"})
			check "$side: TCP $way $a" run $client "$on" tcp "${args[@]}"
			check "$side: TCP $way, 8 at once, $a" run $client "$on" tcp "${args[@]}" -P 8
			check "$side: UDP, 50 Mbit/s $way $a" run $client "$on" udp "${args[@]}" -u -b 50M
		done
	done
	end_pid "$pid"
done
tap_done

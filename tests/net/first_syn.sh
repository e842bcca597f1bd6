#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The first connection to and from a neighbour that the stack has not met: the kernel knows it, or is
# made to find it, and nothing else is waited for. Fresh namespaces for each round; the median of the
# first handshakes is asserted (a timer on the way shows as 10 ms or more).
# timeout: 100
# shellcheck source=tests/apps/lib.sh
. "$(dirname "$0")/../apps/lib.sh"
need python3
net_root || skip_all "needs root"

ROUNDS=5
LIMIT_US=3000
IP_SECOND=10.77.1.3

cat >"$work/server.py" <<'PY'
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 7000))
s.listen(16)
while True:
    c, _ = s.accept()
    c.sendall(b"x")
    c.close()
PY
cat >"$work/connect.py" <<'PY'
import socket, sys, time
for a in sys.argv[1:]:
    s = socket.socket()
    t = time.monotonic()
    s.settimeout(5)
    s.connect((a, 7000))
    s.recv(1)
    t = time.monotonic() - t
print(int(t * 1e6))
PY

: >"$work/in"
: >"$work/out"
for _ in $(seq $ROUNDS); do
	net_up || exit 1
	ip -n "$NS_SRV" addr add "$IP_SECOND/24" dev "$IF_SRV"
	# until the server listens, over the loopback: no neighbour is met
	srv server python3 "$work/server.py"
	wait_port "$NS_SRV" 127.0.0.1 7000
	ip -n "$NS_SRV" neigh flush dev "$IF_SRV"
	ip -n "$NS_CLI" neigh flush dev "$IF_CLI"
	cli python3 "$work/connect.py" "$IP_SRV" >>"$work/in"
	end_pid "$pid" KILL
	srv_kernel "$NS_SRV" kernel python3 "$work/server.py"
	wait_port "$NS_SRV" 127.0.0.1 7000
	ip -n "$NS_SRV" neigh flush dev "$IF_SRV"
	ip -n "$NS_CLI" neigh flush dev "$IF_CLI"
	# The first connect() attaches the interface, which takes longer than any handshake.
	cli_shim python3 "$work/connect.py" "$IP_SRV" "$IP_SECOND" >>"$work/out"
	end_pid "$pid" KILL
	net_down
done

median() { sort -n "$1" | sed -n "$(((ROUNDS + 1) / 2))p"; }

echo "# accepting, us: $(tr '\n' ' ' <"$work/in")"
echo "# connecting, us: $(tr '\n' ' ' <"$work/out")"
check "the first SYN of a new client is answered within $LIMIT_US us" \
	[ "$(median "$work/in")" -lt $LIMIT_US ]
check "the first connection to a new server is made within $LIMIT_US us" \
	[ "$(median "$work/out")" -lt $LIMIT_US ]
tap_done

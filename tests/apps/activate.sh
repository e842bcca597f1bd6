#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
#
# Sockets that a program is given by who starts it: systemd's way (LISTEN_FDS), with the listener and
# with a connection, and inetd's (descriptors 0 and 1). The starter is under the shim; the program is
# too, or is not.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need systemd-socket-activate python3

net_up || exit 1
cat >"$work/echo.py" <<'PY'
import os, socket, sys
assert os.environ["LISTEN_FDS"] == "1" and os.environ["LISTEN_PID"] == str(os.getpid())
l = socket.socket(fileno=3)
while True:
    c = l.accept()[0]
    c.sendall(c.recv(100).upper())
    c.close()
PY
cat >"$work/ask.py" <<'PY'
import socket, sys, time
for i in range(int(sys.argv[3])):
    for again in range(50):
        try:
            s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    s.settimeout(5)
    s.sendall(b"hello")
    s.shutdown(socket.SHUT_WR)
    got = b""
    while (b := s.recv(100)):
        got += b
    assert got.lower() == b"hello", got
PY
ask() { cli python3 "$work/ask.py" "$IP_SRV" "$1" "${2:-3}"; }
# activate NAME PORT ARGUMENTS: systemd's own starter clears the environment but for -E.
shimmed=(-E "LD_PRELOAD=$LIBSHIM" -E "SHIM_IFACE=$IF_SRV")
activate() {
	local name=$1 port=$2
	shift 2
	srv "$name" systemd-socket-activate -l "$IP_SRV:$port" "$@"
	for _ in $(seq 50); do
		ip netns exec "$NS_SRV" ss -Htln "sport = :$port" | grep -q . && break
		sleep 0.1
	done
}
over_stack() { # over_stack COMMAND...: and the kernel has none of it
	local segs
	segs=$(kernel_tcp_in)
	"$@" || return 1
	segs=$(($(kernel_tcp_in) - segs))
	echo "segments by the kernel: $segs"
	[ "$segs" = 0 ]
}

python=$(python3 -c 'import sys; print(sys.executable)')
activate listener 7400 "${shimmed[@]}" "$python" "$work/echo.py"
check "a listener that systemd gives is served by the stack" over_stack ask 7400
check "it ends" end_pid "$pid"
activate plain 7401 "$python" "$work/echo.py"
ask 7401 1 >/dev/null 2>&1 # waits in the stack when the starter becomes the program, and ends
check "without the shim it is the kernel's, and serves" ask 7401
check "it ends" end_pid "$pid"
activate inetd 7402 --accept --inetd "${shimmed[@]}" /bin/cat
check "inetd: a connection as standard input and output" over_stack ask 7402 5
check "it ends" end_pid "$pid"
activate inetd 7403 --accept --inetd /bin/cat
# What the kernel has not can't be given to a program that has no shim: it ends, and at once.
ends_at_once() {
	! timeout 5 ip netns exec "$NS_CLI" python3 "$work/ask.py" "$IP_SRV" 7403 1
	[ $? = 0 ] && [ $SECONDS -lt $((began + 4)) ]
}
began=$SECONDS
check "inetd without the shim: the connection ends and does not hang" ends_at_once
check "it ends" end_pid "$pid"
tap_done

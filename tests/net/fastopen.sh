#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# TCP Fast Open with the kernel at the other end, either way round: a cookie the first time, data in
# the SYN the second time, as TCP_INFO of both ends has it.
# timeout: 60
# shellcheck source=tests/apps/lib.sh
. "$(dirname "$0")/../apps/lib.sh"
need python3
net_up || exit 1
for on in on_srv on_cli; do
	$on sysctl -qw net.ipv4.tcp_fastopen=3
	$on sysctl -qw net.ipv4.tcp_fastopen_key=00112233-44556677-8899aabb-ccddeeff
done

cat >"$work/server.py" <<'PY'
import socket, sys
SYN_DATA = 32
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("0.0.0.0", int(sys.argv[1])))
l.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 8)
l.listen(64)
for i in range(4):
    c, _ = l.accept()
    fast = bool(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & SYN_DATA)
    d = c.recv(100)
    c.sendall(b"%d %d " % (i, fast) + d)
    c.close()
PY
cat >"$work/client.py" <<'PY'
import errno, select, socket, sys
ip, port = sys.argv[1], int(sys.argv[2])
TCP_FASTOPEN_CONNECT, SYN_DATA = 30, 32
for i in range(4):
    s = socket.socket()
    want = b"hello %d" % i
    if i == 3:
        s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
        s.connect((ip, port))
        try:
            s.getpeername()
            raise SystemExit("connected before there is data")
        except OSError as e:
            assert e.errno == errno.ENOTCONN, e
        s.sendall(want)
    else:
        if i == 2:
            s.setblocking(False)
        assert s.sendto(want, socket.MSG_FASTOPEN, (ip, port)) == len(want)
    if i == 2:
        select.select([], [s], [], 5)
        s.setblocking(True)
    s.settimeout(5)
    got = s.recv(100)
    fast = bool(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & SYN_DATA)
    assert fast == (i > 0), (i, fast)
    assert got == b"%d %d " % (i, i > 0) + want, got
    assert s.recv(1) == b""
PY

srv server python3 "$work/server.py" 7300
sleep 1
check "a kernel client's SYN data reaches a server of the stack's" \
	cli python3 "$work/client.py" "$IP_SRV" 7300
check "and it was the stack's" accelerated server
sed 's/^/# /' "$work/server.log" | grep -E 'Error|ASSERT'

on_cli python3 "$work/server.py" 7301 &
server_pids+=($!)
sleep 1
srv client python3 "$work/client.py" "$IP_CLI" 7301
wait "$pid"
ok "the stack's SYN data reaches a server of the kernel's" $?
check "and it was the stack's" accelerated client
sed 's/^/# /' "$work/client.log" | grep -E 'Error|ASSERT|assert'
tap_done

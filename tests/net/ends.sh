#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# How processes end, and what of their connections: exit() with data still queued to a slow reader,
# a worker killed with idle clients connected, programs started while a connection is open.
# timeout: 120
# shellcheck source=tests/apps/lib.sh
. "$(dirname "$0")/../apps/lib.sh"
need python3
net_up || exit 1

cat >"$work/server.py" <<'PY'
import os, signal, socket, subprocess, sys, time
what = sys.argv[1]
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("0.0.0.0", int(sys.argv[2])))
l.listen(64)
if what in ("exit", "_exit"):
    c, _ = l.accept()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    c.sendall(bytes(i * 7 & 255 for i in range(1 << 16)) * 80)
    os._exit(0) if what == "_exit" else sys.exit(0)
if what == "worker":
    while True:
        pid = os.fork()
        if pid == 0:
            held = []
            while True:
                c, _ = l.accept()
                c.sendall(str(os.getpid()).encode())
                held.append(c)
        os.waitpid(pid, 0)
if what == "spawn":
    c, _ = l.accept()
    out = subprocess.check_output(["cat", "/etc/hostname"])
    assert out == open("/etc/hostname", "rb").read()
    assert os.system("ls / >/dev/null") == 0
    assert os.popen("echo x").read() == "x\n"
    pid = os.posix_spawn("/bin/true", ["true"], {})
    assert os.waitpid(pid, 0)[1] == 0
    c.sendall(b"still here")
    assert c.recv(10) == b"and me"
    c.sendall(b"bye")
PY
cat >"$work/client.py" <<'PY'
import os, signal, socket, sys, time
what, ip, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
def connect():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.settimeout(8)
    s.connect((ip, port))
    return s
def connect_first(): # the server may be slow to come up
    end = time.monotonic() + 15
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.1)
if what in ("exit", "_exit"):
    s, got = connect_first(), b""
    while True:
        d = s.recv(1 << 17)
        if not d:
            break
        got += d
        time.sleep(0.002)
    assert got == bytes(i * 7 & 255 for i in range(1 << 16)) * 80, len(got)
if what == "worker":
    idle = [connect_first()] + [connect() for _ in range(19)]
    pids = {s.recv(100) for s in idle}
    assert len(pids) == 1
    os.kill(int(pids.pop()), signal.SIGKILL)
    t = time.monotonic()
    for s in idle:
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass
    assert time.monotonic() - t < 3, time.monotonic() - t
    assert connect().recv(100)
if what == "spawn":
    s = connect_first()
    assert s.recv(100) == b"still here"
    time.sleep(0.2)
    s.sendall(b"and me")
    assert s.recv(100) == b"bye" and s.recv(1) == b""
PY

cat >"$work/fins.py" <<'PY'
# Rounds: a client that ends with its connection, to whom the server closes a moment later.
import socket, subprocess, sys, time
ip, rounds, client = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
l = socket.socket()
l.bind((ip, 7299))
l.listen(8)
bad = 0
for _ in range(rounds):
    p = subprocess.Popen(client)
    c, _ = l.accept()
    while c.recv(100):
        pass
    time.sleep(0.07)
    c.shutdown(socket.SHUT_WR)
    t = time.monotonic()
    while c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 7: # TCP_CLOSE
        time.sleep(0.002)
    # Refused by the kernel, or lost, and refused when it came again.
    bad += c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or time.monotonic() - t > 0.15
    assert p.wait(10) == 0
    c.close()
print("reset:", bad)
sys.exit(bad > rounds // 4) # a process may stand still for longer than the other waits
PY
# A kernel server, whose clients are under the shim.
fins() {
	ip netns exec "$NS_SRV" python3 "$work/fins.py" "$IP_SRV" 8 ip netns exec "$NS_CLI" \
		env SHIM_IFACE="$IF_CLI" LD_PRELOAD="$LIBSHIM" python3 -c "
import socket
s = socket.create_connection(('$IP_SRV', 7299))
s.sendall(b'x')
$1"
}
check "the peer's FIN, a moment after a program has ended, is acknowledged" fins ""
check "so it is when the program ends by _exit()" fins "import os; os._exit(0)"

port=7200
for what in exit _exit worker spawn; do
	port=$((port + 1))
	srv $what python3 "$work/server.py" $what $port
	case $what in
	exit | _exit) name="what was written before $what() arrives at a slow reader" ;;
	worker) name="a killed worker's idle clients see the end; the next worker serves" ;;
	spawn) name="programs started meanwhile leave a connection alone" ;;
	esac
	check "$name" cli python3 "$work/client.py" $what "$IP_SRV" $port
	kill -KILL "$pid" 2>/dev/null
	sed 's/^/# /' "$work/$what.log" | grep -E 'Error|ASSERT'
	sleep 0.5
done
tap_done

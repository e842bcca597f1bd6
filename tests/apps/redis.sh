#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
#
# An unmodified redis-server over the stack: every default test of redis-benchmark, one client and a
# thousand, pipelines, large values, a fork under load, a server that does not attend its sockets for
# two seconds, and ends of every kind on both sides.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need redis-server redis-benchmark redis-cli python3 setpriv

net_up
port=6379
rc() { cli redis-cli -h "$IP_SRV" -p $port "$@"; }

as=()
start() {
	srv redis "${as[@]}" redis-server --port $port --bind 0.0.0.0 --protected-mode no --save "" \
		--dir "$work" --enable-debug-command yes --maxclients 4000 "$@"
	server=$pid
	wait_port "$NS_CLI" "$IP_SRV" $port && accelerated redis
}

# bench ARGUMENTS...: no error may be printed.
bench() {
	local out
	out=$(cli redis-benchmark -h "$IP_SRV" -p $port -q "$@" 2>&1 | tr '\r' '\n')
	if grep -qi 'err' <<<"$out" || ! grep -q 'requests per second' <<<"$out"; then
		echo "$out" | tail -n 5
		return 1
	fi
}

proof() {
	# While 50 clients are connected and busy.
	local before after conns shim_conns pid_b
	before=$(kernel_tcp_in)
	cli redis-benchmark -h "$IP_SRV" -p $port -c 50 -n 150000 -t get -q >/dev/null 2>&1 &
	pid_b=$!
	sleep 1
	conns=$(kernel_conns $port)
	shim_conns=$("$SHIMSTAT" --json "$pid" | python3 -c '
import json, sys
print(sum(1 for f in json.load(sys.stdin)["families"] for s in f["stacks"]
	for c in s["connections"] if c["state"] == "ESTAB"))')
	after=$(kernel_tcp_in)
	wait $pid_b
	echo "kernel connections $conns, the stack's $shim_conns, kernel segments in $before -> $after"
	[ "$conns" = 0 ] && [ "$shim_conns" -ge 50 ] && [ "$before" = "$after" ]
}

big_values() {
	head -c 1048576 /dev/urandom | base64 -w0 | head -c 1048576 >"$work/big"
	rc -x set big <"$work/big" >/dev/null &&
		rc get big >"$work/got" && head -c 1048576 "$work/got" | cmp - "$work/big"
}

bgsave_under_load() {
	local b
	cli redis-benchmark -h "$IP_SRV" -p $port -c 50 -n 150000 -t set,get -q >"$work/load" 2>&1 &
	b=$!
	for _ in 1 2 3; do
		rc bgsave >/dev/null
		sleep 0.5
	done
	wait $b || return 1
	tr '\r' '\n' <"$work/load" | grep -qi err && return 1
	for _ in $(seq 50); do
		[ "$(rc info persistence | grep -c 'rdb_bgsave_in_progress:0')" = 1 ] && break
		sleep 0.1
	done
	rc info persistence | grep -q 'rdb_last_bgsave_status:ok' && [ -s "$work/dump.rdb" ]
}

# The peer's kernel must see its bytes acknowledged while the server sleeps in a command.
acked_while_asleep() {
	ip netns exec "$NS_CLI" python3 - "$IP_SRV" $port <<'PY'
import fcntl, socket, struct, sys, threading, time
addr = (sys.argv[1], int(sys.argv[2]))
idle = socket.create_connection(addr)
idle.sendall(b"PING\r\n")
assert idle.recv(100) == b"+PONG\r\n"
busy = socket.create_connection(addr)
busy.sendall(b"DEBUG SLEEP 2\r\n")
time.sleep(0.3)
idle.sendall(b"PING\r\n" * 100)
time.sleep(1)
left = struct.unpack("i", fcntl.ioctl(idle, 0x5411, b"\0" * 4))[0]  # SIOCOUTQ
assert left == 0, f"{left} bytes not acknowledged"
busy.settimeout(5)
assert busy.recv(100) == b"+OK\r\n"
idle.settimeout(5)
got = b""
while len(got) < 700:
    got += idle.recv(1000)
assert got == b"+PONG\r\n" * 100
PY
}

killed_clients() {
	local b
	for _ in 1 2 3; do
		srv_kernel "$NS_CLI" killed redis-benchmark -h "$IP_SRV" -p $port -c 50 -n 1000000 -t get -q
		b=$pid
		pid=$server
		sleep 0.3
		kill -KILL "$b"
		wait "$b" 2>/dev/null
	done
	for _ in $(seq 50); do
		[ "$(rc info clients | tr -d '\r' | sed -n 's/^connected_clients://p')" = 1 ] && return 0
		sleep 0.1
	done
	rc info clients
	return 1
}

localhost_door() {
	ip netns exec "$NS_SRV" timeout 10 redis-cli -h 127.0.0.1 -p $port ping | grep -q PONG
}

orderly_end() {
	rc shutdown nosave >/dev/null 2>&1
	for _ in $(seq 50); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -0 "$pid" 2>/dev/null && return 1
	! xdp_attached
}

# After kill -9 the peer gets a RST, and nothing is left on the interface.
server_killed() {
	ip netns exec "$NS_CLI" python3 - "$IP_SRV" $port "$pid" <<'PY'
import os, signal, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(b"PING\r\n")
assert s.recv(100) == b"+PONG\r\n"
os.kill(int(sys.argv[3]), signal.SIGKILL)
time.sleep(0.5)
s.settimeout(5)
try:
    for _ in range(3):
        s.sendall(b"PING\r\n")
        time.sleep(0.2)
    if s.recv(100) == b"":
        sys.exit(0)
    sys.exit("still answered")
except (ConnectionResetError, BrokenPipeError):
    pass
PY
	local r=$?
	[ $r = 0 ] && ! xdp_attached && ip netns exec "$NS_CLI" bash -c "exec 3<>/dev/tcp/$IP_SRV/$port" 2>&1 | grep -q refused
}

check "starts under the shim" start
check "the stack carries it: no kernel connection, no kernel segment" proof
check "redis-cli on localhost comes through the kernel's door" localhost_door
check "every default test of redis-benchmark, 50 clients" bench -c 50 -n 10000
check "1 client" bench -c 1 -n 5000 -t set,get
check "1000 clients" bench -c 1000 -n 50000 -t set,get
check "50 clients, pipelines of 16" bench -c 50 -P 16 -n 200000 -t set,get
check "1 client, pipelines of 16" bench -c 1 -P 16 -n 50000 -t set,get
check "1000 clients, pipelines of 16" bench -c 1000 -P 16 -n 200000 -t set,get
check "values of 1 MB come back as they went" big_values
check "values of 1 MB, 20 clients" bench -c 20 -n 400 -d 1048576 -t set,get
check "BGSAVE under load loses nothing" bgsave_under_load
check "the peer's bytes are acknowledged during DEBUG SLEEP 2" acked_while_asleep
check "killed clients are noticed" killed_clients
check "SHUTDOWN ends it and detaches the program" orderly_end
check "starts again at once" start
check "kill -9: the peer is reset, nothing is left behind" server_killed
check "and starts again after that" start
check "SHUTDOWN ends it" orderly_end
SHIM_ENV=SHIM_IFACE=auto
check "on every interface there is, as nothing else is said" start
check "the stack carries it" proof
check "on the other interface, too" \
	cli redis-benchmark -h "$NET_KERN_SRV" -p $port -c 50 -n 20000 -t set,get -q
check "SHUTDOWN ends it" orderly_end
SHIM_ENV=
chmod 777 "$work"
caps=+net_admin,+net_raw,+bpf,+perfmon,+ipc_lock
as=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps $caps --ambient-caps $caps)
check "without root, by capabilities" start
check "the stack carries it, too" proof
tap_done

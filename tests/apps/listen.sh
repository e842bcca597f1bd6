#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
#
# Listeners come and go while connections live: none is ever split between the kernel and the stack.
# Two echo servers share a port, one on the kernel and one under the shim, and take turns listening.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need python3 bpftool

net_up
port=7000
echod=$srcdir/tests/apps/echod.py

# The servers are coprocesses by hand: bash has but one coproc at a time.
serve() { # serve NAME IN-FD OUT-FD ENV...
	local name=$1 in=$2 out=$3
	shift 3
	mkfifo "$work/$name.in" "$work/$name.out"
	ip netns exec "$NS_SRV" env "$@" python3 "$echod" "$IP_SRV" $port \
		<"$work/$name.in" >"$work/$name.out" 2>"$work/$name.log" &
	server_pids+=($!)
	eval "exec $in>'$work/$name.in' $out<'$work/$name.out'"
}
kern() { tell 6 7 "$@"; }
shim() { tell 8 9 "$@"; }
tell() { # tell IN-FD OUT-FD COMMAND: prints the answer
	local in=$1 out=$2 answer
	shift 2
	echo "$*" >&"$in"
	read -r -t 15 -u "$out" answer || answer="no answer"
	echo "$answer"
}
expect() { # expect WHO COMMAND...: is done
	local answer
	answer=$("$@")
	[ "$answer" = done ] || { echo "$*: $answer"; cat "$work/$1.log"; return 1; }
}

# Connections of the client, one file descriptor of a helper each; again a program with commands.
client() {
	mkfifo "$work/client.in" "$work/client.out"
	ip netns exec "$NS_CLI" python3 -c '
import socket, sys
addr, conns, n = (sys.argv[1], int(sys.argv[2])), {}, 0
for line in sys.stdin:
    what, name = line.split()
    try:
        if what == "open":
            conns[name] = socket.create_connection(addr, 5)
        elif what == "drop":
            conns.pop(name).close()
        if what != "drop":
            n += 1
            word = b"%d" % n
            conns[name].sendall(word)
            assert conns[name].recv(100) == word
        print("done", flush=True)
    except Exception as e:
        print(repr(e), flush=True)
' "$IP_SRV" $port <"$work/client.in" >"$work/client.out" 2>"$work/client.log" &
	server_pids+=($!)
	exec 4>"$work/client.in" 5<"$work/client.out"
}
conn() { # conn open|echo|drop NAME
	local answer
	answer=$(tell 4 5 "$@")
	[ "$answer" = done ] || { echo "$*: $answer"; return 1; }
}
# counts KERNEL SHIM: that many each.
counts() {
	local k s
	for _ in $(seq 20); do
		k=$(kern count) s=$(shim count)
		[ "$k $s" = "$1 $2" ] && return 0
		sleep 0.1
	done
	echo "served by the kernel's process $k, under the shim $s"
	cat "$work/shim.log"
	return 1
}
passes() { # how many connections the steering program leaves to the kernel
	local prog
	prog=$(ip -n "$NS_SRV" -d link show dev "$IF_SRV" | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')
	python3 - "$prog" <<'PY'
import json, subprocess, sys
def bpf(*words):
    return json.loads(subprocess.check_output(("bpftool", "-j") + words))
maps = [bpf("map", "show", "id", str(i)) for i in bpf("prog", "show", "id", sys.argv[1])["map_ids"]]
print(sum(len(bpf("map", "dump", "id", str(m["id"]))) for m in maps if m.get("name") == "passes"))
PY
}

serve kern 6 7 A=
serve shim 8 9 SHIM_LOG=info SHIM_IFACE="$IF_SRV" LD_PRELOAD="$LIBSHIM"
client

before_the_claim() {
	expect kern listen && conn open a && conn open b && expect kern close &&
		expect shim listen && counts 2 0
}
both_go_on() {
	conn echo a && conn open c && conn open d && conn echo a && conn echo c && counts 2 2 &&
		[ "$(kernel_conns $port)" = 2 ]
}
listener_closes() {
	expect shim close && conn echo c && conn echo a && ! conn open x && conn echo d
}
another_listens() {
	expect kern listen && conn open e && conn echo e && conn echo c && counts 3 2 &&
		[ "$(kernel_conns $port)" = 3 ]
}
and_back() {
	expect kern close && expect shim listen && conn open f &&
		for c in a b c d e f; do conn echo $c || return 1; done && counts 3 3
}
refused_listen() {
	# Bound while nobody listens, asked to listen while somebody does.
	ip netns exec "$NS_SRV" env SHIM_IFACE="$IF_SRV" LD_PRELOAD="$LIBSHIM" timeout 20 \
		python3 - "$IP_SRV" <<'PY'
import errno, socket, sys
def bound():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((sys.argv[1], 7001))
    return s
a, b = bound(), bound()
a.listen()
try:
    b.listen()
    sys.exit("both listen")
except OSError as e:
    assert e.errno == errno.EADDRINUSE, e
PY
}
forgotten() {
	conn drop a && conn drop b && conn drop e || return 1
	for _ in $(seq 40); do
		[ "$(passes)" = 0 ] && conn echo f && conn open g && conn drop g && return 0
		sleep 0.1
	done
	echo "$(passes) left"
	return 1
}
# A client that opens connections all the time, while the process under the shim begins to listen and
# closes, over and over, beside the other: each connection that was made is answered.
storm() {
	local r i
	expect shim close && expect kern listen reuseport || return 1
	ip netns exec "$NS_CLI" python3 - "$IP_SRV" $port >"$work/storm" 2>&1 <<'PY' &
import socket, sys, time
end, n, kept = time.time() + 6, 0, []
while time.time() < end:
    try:
        s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    except ConnectionResetError:  # established, and at once reset: in the accept queue, too
        print(f"connection {n}: None")
        continue
    except OSError as e:
        sys.exit(f"connection {n}: {e!r}")
    s.settimeout(5)
    kept.append(s)
    # A reset while it waits to be accepted is what closing a listener does, natively too.
    for c in (s, kept[n * 7 % len(kept)]):
        try:
            c.sendall(b"x")
            got = c.recv(1)
        except ConnectionResetError:
            got = None
        if got != b"x":
            print(f"connection {kept.index(c)} of {n}: {got!r}")
            if c is not s:
                sys.exit(1)
            kept.remove(s)
            break
    n += 1
    if len(kept) > 200:
        kept.pop(0).close()
print(n, "connections")
PY
	i=$!
	for _ in $(seq 12); do
		expect shim listen reuseport || return 1
		sleep 0.25
		expect shim close || return 1
		sleep 0.25
	done
	wait $i
	r=$?
	cat "$work/storm" "$work/shim.log"
	# Only those in the accept queue at one of the twelve moments may have been reset.
	[ $r = 0 ] && [ "$(grep -c 'None$' "$work/storm")" -le 12 ]
}

check "connections of the kernel, then a claim" before_the_claim
check "the kernel's connections go on, new ones are the stack's" both_go_on
check "the listener closes, its connections live, nobody listens" listener_closes
check "another process listens on the kernel: each keeps its own" another_listens
check "listening again: the kernel's and the stack's earlier connections go on" and_back
check "a connection of the kernel that ends is forgotten" forgotten
check "a listen that the kernel refuses is undone" refused_listen
check "listeners come and go under a storm of connections: none is split" storm
exec 4>&- 6>&- 8>&-
tap_done

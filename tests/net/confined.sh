#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
# sanitizers: no
#
# Programs that install a strict seccomp filter when they have sockets of the stack, natively and under
# the shim: in a child for each connection, alone, with threads, with a listener, and with a filter
# that allows what the manual lists.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3
make -s -C "$builddir" tests/net/confined >&2 || exit 1
net_up || exit 1
confined=$builddir/tests/net/confined

run() { # run PORT WAY STARTER...: served, and it ended well
	local port=$1 way=$2
	shift 2
	"$@" "$way" "$confined" server "$port" "$way"
	for _ in $(seq 50); do
		ip netns exec "$NS_SRV" ss -Htln "sport = :$port" | grep -q . && break
		sleep 0.1
	done
	cli "$confined" client "$IP_SRV" "$port" || { cat "$work/$way.log"; return 1; }
	# The kernel has its listener now: what comes next is the kernel's.
	segs=$(kernel_tcp_in)
	[ "$way" != listener ] || cli "$confined" client "$IP_SRV" "$port" || return 1
	wait "$pid" && return 0
	cat "$work/$way.log"
	return 1
}
natively() { srv_kernel "$NS_SRV" "$@"; }
# What comes when the last process has ended the kernel answers: the end of the peer's side.
none_by_kernel() { [ $((segs - before)) -le 2 ]; }
forbidden() { grep -q 'a seccomp filter forbids' "$work/$1.log"; }
port=7700
for way in child alone threads listed listener; do
	check "$way: natively" run $((port += 1)) $way natively
	before=$(kernel_tcp_in)
	check "$way: under the shim" run $((port += 1)) $way srv
	check "$way: the stack carried it ($((segs - before)) segments by the kernel)" none_by_kernel
	if [ $way = listed ]; then
		check "$way: nothing is forbidden" bash -c "! grep -q seccomp '$work/$way.log'"
	else
		check "$way: it is said what is forbidden" forbidden $way
	fi
done
check "listener: it went to the kernel" grep -q ': confined: ' "$work/listener.log"
# Two wait when the filter is installed: the first to be accepted is served.
queue() { # queue PORT STARTER...
	local port=$1
	shift
	"$@" queue "$confined" server "$port" queue
	cli python3 - "$IP_SRV" "$port" <<'PY' && wait "$pid"
import select, socket, sys, time
def dial():
    for _ in range(50):
        try:
            return socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
        except ConnectionRefusedError:
            time.sleep(0.1)
a, b = dial(), dial()
assert a.recv(2) == b"x\n"
waiting, got = [b], b""
try:
    waiting.append(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5))
except ConnectionRefusedError:
    pass  # it has served b, and ended
while not got and waiting:
    for s in select.select(waiting, [], [], 5)[0]:
        try:
            got += s.recv(2)
        except ConnectionResetError:
            pass
        waiting.remove(s)
assert got == b"y\n", got
PY
}
check "queue: natively" queue $((port += 1)) natively
check "queue: under the shim" queue $((port += 1)) srv
# What is listed in the manual is what was allowed here.
manual() {
	local c
	for c in $("$confined" calls); do
		sed -n '/seccomp 2/,/^If it forbids/p' "$srcdir/man/libshim.7.in" | grep -q "^\.Xr $c 2" && continue
		[[ " read write close exit_group rt_sigreturn poll epoll_wait clock_gettime brk " == *" $c "* ]] ||
			echo "$c is not in the manual"
	done >"$work/missing"
	cat "$work/missing"
	[ ! -s "$work/missing" ]
}
check "the manual has them all" manual
tap_done

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034
#
# What the tests of whole programs share: TAP, servers under the shim in the namespace of the server,
# kernel clients in the other, and the three proofs that the stack carried the traffic. Needs
# scripts/lib/net.sh, which makes the namespaces and takes them down.

set -u
srcdir=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
builddir=${builddir:-$srcdir/build}
# shellcheck source=scripts/lib/net.sh
. "$srcdir/scripts/lib/net.sh"

NS_SRV=$NET_SRV
NS_CLI=$NET_CLI
IF_SRV=$NET_SHIM_IF
IF_CLI=$NET_SHIM_IF
IP_SRV=$NET_SHIM_SRV
IP_CLI=$NET_SHIM_CLI

LIBSHIM=$builddir/.libs/libshim.so
SHIMSTAT=$builddir/shimstat
tap_n=0
tap_bad=0
server_pids=()

skip_all() {
	echo "1..0 # SKIP $*"
	exit 77
}

[ "$(id -u)" = 0 ] || skip_all "needs root"
[ -e "$LIBSHIM" ] || skip_all "no $LIBSHIM: build first"
# A build with sanitizers (builddir) wants its runtime before everything else.
runtime=$(ldd "$LIBSHIM" | awk '/libasan/ { print $3 }')
if [ -n "$runtime" ]; then
	LIBSHIM="$runtime $LIBSHIM"
	export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
fi

need() {
	local p
	for p; do
		command -v "$p" >/dev/null || skip_all "$p is not installed"
	done
}

# ok NAME STATUS: one TAP line.
ok() {
	tap_n=$((tap_n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $tap_n - $1"
	else
		echo "not ok $tap_n - $1"
		tap_bad=$((tap_bad + 1))
	fi
}

# check NAME COMMAND...: passes when the command does; its output is shown when it does not.
check() {
	local name=$1 rc
	shift
	"$@" >"$work/check" 2>&1
	rc=$?
	[ $rc = 0 ] || tail -n 20 "$work/check" | sed 's/^/# /'
	ok "$name" $rc
}

tap_done() {
	echo "1..$tap_n"
	[ $tap_bad = 0 ]
}

work=$(mktemp -d)
chmod 755 "$work"

# One after the other: servers end before their namespaces do.
apps_cleanup() {
	local p
	for p in "${server_pids[@]}"; do
		kill -KILL "$p" 2>/dev/null
	done
	wait 2>/dev/null
	net_down
	rm -rf "$work"
}
trap apps_cleanup EXIT
trap 'exit 130' INT TERM

# srv NAME COMMAND...: starts it in the server's namespace under the shim; its pid is in $pid.
# SHIM_ENV may add variables.
srv() {
	local name=$1
	shift
	ip netns exec "$NS_SRV" env SHIM_LOG=info SHIM_IFACE="$IF_SRV" ${SHIM_ENV:-} \
		LD_PRELOAD="$LIBSHIM" "$@" >"$work/$name.log" 2>&1 &
	pid=$!
	server_pids+=("$pid")
}

# The same without the shim, in either namespace.
srv_kernel() {
	local ns=$1 name=$2
	shift 2
	ip netns exec "$ns" "$@" >"$work/$name.log" 2>&1 &
	pid=$!
	server_pids+=("$pid")
}

pid=

# CLI_SECONDS: how long at most.
cli() {
	ip netns exec "$NS_CLI" timeout "${CLI_SECONDS:-120}" "$@"
}

# The same, under the shim.
cli_shim() {
	ip netns exec "$NS_CLI" timeout 120 env SHIM_IFACE="$IF_CLI" LD_PRELOAD="$LIBSHIM" "$@"
}

# wait_port NAMESPACE ADDRESS PORT: until somebody accepts there (10 s).
wait_port() {
	for _ in $(seq 100); do
		ip netns exec "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null && return 0
		sleep 0.1
	done
	echo "nobody listens on $2 port $3"
	return 1
}

# accelerated NAME: that server has said so of a socket.
accelerated() {
	grep -q ': stack: ' "$work/$1.log" && return 0
	cat "$work/$1.log"
	return 1
}

# TCP segments that the kernel of a namespace has taken in, of both families.
tcp_in() { # tcp_in NAMESPACE
	ip netns exec "$1" awk '/^Tcp:/ { if (n++) print $11 }' /proc/net/snmp
}

# The same in the server's namespace.
kernel_tcp_in() { tcp_in "$NS_SRV"; }

# Until the kernel there has no TCP connection that a program has left and that is still to end (5 s):
# the last segments of one would be counted as those of what comes next.
tcp_settled() { # tcp_settled NAMESPACE
	for _ in $(seq 100); do
		ip netns exec "$1" ss -Htan | grep -qvE '^(LISTEN|TIME-WAIT)' || return 0
		sleep 0.05
	done
	ip netns exec "$1" ss -Htan
	return 1
}

# Connections of the kernel's TCP to a port of the server's address.
kernel_conns() {
	ip netns exec "$NS_SRV" ss -Htn state established "src $IP_SRV:$1" | wc -l
}

# Ends a process and waits (5 s) until it is gone.
end_pid() {
	kill -"${2:-TERM}" "$1" 2>/dev/null
	for _ in $(seq 50); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "process $1 does not end"
	return 1
}

# True while an XDP program is attached to the server's interface.
xdp_attached() {
	ip -n "$NS_SRV" -o link show dev "$IF_SRV" | grep -q 'xdp'
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
# A server's and a client's namespace with an emulated link between them:
#
#   $NET_SRV                      $LINK_NS                     $NET_CLI
#   far0 10.77.3.1  -- veth --  srv  emulate  cli  -- veth --  far0 10.77.3.2
#
# To be sourced after scripts/lib/net.sh. All frames are of the MTU at most: segmentation offloads
# are off on the far sides, as they are on a wire.
#
#   link_up                  makes the namespaces and interfaces; link_down removes them
#   link_set ARGUMENT ...    starts the emulation anew (arguments of tests/link/emulate.c)

LINK_NS=$NET_PREFIX-$$-mid
# shellcheck disable=SC2034  # for those who source this
LINK_IF=far0
LINK_SRV=10.77.3.1
LINK_CLI=10.77.3.2
link_pid=

link_side() { # link_side NAMESPACE ADDRESS NAME
	ip link add far0 netns "$1" type veth peer name "$3" netns "$LINK_NS" &&
		ip -n "$1" addr add "$2/24" dev far0 &&
		ip netns exec "$1" ethtool -K far0 tso off gso off gro off tx off >/dev/null 2>&1 &&
		ip -n "$1" link set far0 txqueuelen 10000 up && ip -n "$LINK_NS" link set "$3" up
}

link_up() {
	net_root || return 1
	net_remove_stale
	for net_ns in "$NET_SRV" "$NET_CLI" "$LINK_NS"; do
		ip netns add "$net_ns" && ip -n "$net_ns" link set lo up || return 1
		# The link's own namespace is to say nothing.
		ip netns exec "$net_ns" sh -c '
			echo 4096 >/proc/sys/net/core/somaxconn
			echo 8192 >/proc/sys/net/ipv4/tcp_max_syn_backlog
			echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6' 2>/dev/null || true
	done
	link_side "$NET_SRV" $LINK_SRV srv && link_side "$NET_CLI" $LINK_CLI cli
}

link_down() {
	[ -z "$link_pid" ] || kill "$link_pid" 2>/dev/null
	net_remove "$LINK_NS"
	net_down
}

link_set() {
	if [ -n "$link_pid" ]; then
		kill "$link_pid" 2>/dev/null
		wait "$link_pid" 2>/dev/null
	fi
	# shellcheck disable=SC2154
	ip netns exec "$LINK_NS" "$builddir/tests/link/emulate" srv cli "$@" >"$link_log" 2>&1 &
	link_pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		grep -qs ready "$link_log" && return 0
		sleep 0.1
	done
	cat "$link_log"
	return 1
}

link_guard() {
	link_log=$(mktemp)
	# shellcheck disable=SC2154
	trap 'link_status=$?; trap - EXIT; link_down; rm -f "$link_log"; exit $link_status' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

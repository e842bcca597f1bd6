# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
# Two network namespaces, a server's and a client's, joined by two veth pairs:
#
#      $NET_SRV                                   $NET_CLI
#      shim0  10.77.1.1/24  ---- veth ----  10.77.1.2/24  shim0     for libshim
#      kern0  10.77.2.1/24  ---- veth ----  10.77.2.2/24  kern0     for the kernel, never with XDP
#
# and in the same way fd77:1::1/64 ---- fd77:1::2/64 and fd77:2::1/64 ---- fd77:2::2/64, at once:
# nobody waits for duplicates to be detected.
#
# To be sourced. Names carry this process's id; what a killed run left is removed by the next.
# Interfaces live inside the namespaces only, so none of the machine's can be met.
#
#   net_up             makes them; net_down removes them, with whatever still runs in them
#   on_srv CMD ...     runs CMD in the server's namespace; on_cli in the client's
#   net_guard          traps exit and signals, so that net_down always runs

NET_PREFIX=shimtest
NET_SRV=$NET_PREFIX-$$-srv
NET_CLI=$NET_PREFIX-$$-cli
# shellcheck disable=SC2034  # for those who source this
NET_SHIM_IF=shim0
NET_SHIM_SRV=10.77.1.1
NET_SHIM_CLI=10.77.1.2
NET_KERN_SRV=10.77.2.1
NET_KERN_CLI=10.77.2.2
NET_SHIM_SRV6=fd77:1::1
NET_SHIM_CLI6=fd77:1::2
NET_KERN_SRV6=fd77:2::1
NET_KERN_CLI6=fd77:2::2

net_root() {
	[ "$(id -u)" = 0 ] && return 0
	echo "$(basename "$0"): network namespaces need root" >&2
	return 1
}

on_srv() { ip netns exec "$NET_SRV" "$@"; }
on_cli() { ip netns exec "$NET_CLI" "$@"; }

net_remove() { # net_remove NAMESPACE
	[ -e "/run/netns/$1" ] || return 0
	for net_sig in TERM KILL; do
		net_pids=$(ip netns pids "$1" 2>/dev/null) || break
		[ -n "$net_pids" ] || break
		# shellcheck disable=SC2086
		kill -$net_sig $net_pids 2>/dev/null
		net_n=0
		while [ $net_n -lt 20 ] && [ -n "$(ip netns pids "$1" 2>/dev/null)" ]; do
			sleep 0.1
			net_n=$((net_n + 1))
		done
	done
	ip netns del "$1" 2>/dev/null || true
}

# Of runs whose process is gone.
net_remove_stale() {
	for net_path in /run/netns/"$NET_PREFIX"-*; do
		[ -e "$net_path" ] || continue
		net_name=${net_path##*/}
		net_pid=${net_name#"$NET_PREFIX"-}
		net_pid=${net_pid%-*}
		[ -d "/proc/$net_pid" ] || net_remove "$net_name"
	done
}

net_pair() { # net_pair IFNAME SERVER-ADDRESS CLIENT-ADDRESS, and both of IPv6
	ip link add "$1" netns "$NET_SRV" type veth peer name "$1" netns "$NET_CLI" || return 1
	on_srv ip addr add "$2/24" dev "$1" || return 1
	on_cli ip addr add "$3/24" dev "$1" || return 1
	on_srv ip addr add "$4/64" dev "$1" nodad 2>/dev/null # there may be no IPv6
	on_cli ip addr add "$5/64" dev "$1" nodad 2>/dev/null
	on_srv ip link set "$1" up && on_cli ip link set "$1" up
}

net_up() {
	net_root || return 1
	net_remove_stale
	ip netns add "$NET_SRV" && ip netns add "$NET_CLI" || return 1
	for net_ns in "$NET_SRV" "$NET_CLI"; do
		ip -n "$net_ns" link set lo up || return 1
		ip netns exec "$net_ns" sh -c '
			echo 4096 >/proc/sys/net/core/somaxconn
			echo 8192 >/proc/sys/net/ipv4/tcp_max_syn_backlog
			echo "10000 65000" >/proc/sys/net/ipv4/ip_local_port_range
			echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse
			for conf in all default; do
				echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_dad
				echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_ra
				echo 0 >/proc/sys/net/ipv6/conf/$conf/router_solicitations
			done' 2>/dev/null || true
	done
	net_pair shim0 $NET_SHIM_SRV $NET_SHIM_CLI $NET_SHIM_SRV6 $NET_SHIM_CLI6 || return 1
	net_pair kern0 $NET_KERN_SRV $NET_KERN_CLI $NET_KERN_SRV6 $NET_KERN_CLI6 || return 1
	on_cli ping -c 1 -W 2 $NET_SHIM_SRV >/dev/null 2>&1 || sleep 0.5
}

net_down() {
	net_remove "$NET_SRV"
	net_remove "$NET_CLI"
}

net_guard() {
	# shellcheck disable=SC2154
	trap 'net_status=$?; trap - EXIT; net_down; exit $net_status' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

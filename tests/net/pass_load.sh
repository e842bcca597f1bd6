#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A listener under load is given to a process that is no member of the family (SCM_RIGHTS), again and
# again, as by the reload of haproxy: both serve, the giver closes, the heir goes on. Nobody of those
# who connect meanwhile may see it; over a path with delay neither, though the giver is gone sooner
# than a handshake takes.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
# shellcheck source=tests/link/lib.sh
. "$srcdir/tests/link/lib.sh"
need python3 ethtool
make -s -C "$builddir" tests/link/emulate >&2 || exit 1
link_log=$work/link
trap 'link_down; apps_cleanup' EXIT
program=$srcdir/tests/net/pass_load.py

give() { # give NAME PORT TIMES BEFORE_MS BOTH_MS [VARIABLES]
	local name=$1 port=$2 times=${TIMES:-$3}
	srv_kernel "$NS_CLI" load python3 "$program" load "$work/$name.load" "$IP_SRV"
	srv_kernel "$NS_SRV" heir python3 "$program" heir "$work/$name.heir"
	until [ -S "$work/$name.load" ] && [ -S "$work/$name.heir" ]; do
		sleep 0.05
	done
	SHIM_ENV=${6-} srv "$name" python3 "$program" giver "$work/$name.load" "$work/$name.heir" \
		"$port" "$times" "$4" "$5"
	wait "$pid"
	status=$?
	grep -E 'served|hand-over' "$work/$name.log"
	[ "$(grep -c ': stack: ' "$work/$name.log")" = "$times" ] && [ $status = 0 ]
}

link_up && link_set --delay-us 20000 || exit 1
IF_SRV=$LINK_IF IP_SRV=$LINK_SRV
check "far away nobody is reset when the kernel takes over" give far 7200 8 100 5
link_down
link_pid=
net_up || exit 1
IF_SRV=$NET_SHIM_IF IP_SRV=$NET_SHIM_SRV
# Few ports: who connects has often been here before, and is in TIME-WAIT with the giver, who sleeps.
on_cli sh -c 'echo 20000 20499 >/proc/sys/net/ipv4/ip_local_port_range'
check "nor nearby" give one 7400 30 15 15
check "nor from two stacks" give two 7600 30 15 15 SHIM_STACKS=2
tap_done

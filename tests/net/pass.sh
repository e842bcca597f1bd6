#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
#
# Sockets that are sent from process to process (SCM_RIGHTS, pidfd_getfd): in the family they go on
# over the stack, in flight they live, lost they end; a stranger gets listeners of the kernel's, and
# connections are refused to it. What is sent before it listens comes to the stack for both.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3
net_up || exit 1
passer=$srcdir/tests/net/passer.py

srv_kernel "$NS_SRV" stranger python3 "$passer" stranger "$work/stranger"
srv server python3 "$passer" server 7300 "$work/stranger"
server=$pid
ask() { DOOR=$NET_KERN_SRV cli python3 "$passer" client "$IP_SRV" 7300 "$1"; }
cases="${CASES:-child flight peek back mmsg listener bound_listener bound_left_listener fetched
	lost stranger}"
for _ in $(seq 300); do
	accelerated server >/dev/null && break
	sleep 0.1
done
segs=$(kernel_tcp_in)
for c in $cases; do
	check "$c" ask "$c"
done
segs=$(($(kernel_tcp_in) - segs))
check "the kernel had none of it ($segs segments)" [ "$segs" = 0 ]
check "bound_left_door_listener" ask bound_left_door_listener
check "stranger_listener" ask stranger_listener
check "stranger_bound_listener" ask stranger_bound_listener
"$SHIMSTAT" --json "$server" >"$work/stat" 2>&1
check "no connection is left" bash -c "! grep -o '\"state\":\"ESTAB[A-Z]*\"' '$work/stat'"
check "end" ask end
check "the server saw nothing wrong" bash -c "! grep -E 'failed|child:' '$work/server.log'"
check "why is said" grep -q 'not passed on' "$work/server.log"
kill "$server"
wait "$server"
srv_kernel "$NS_CLI" echoer python3 "$passer" echoer "$IP_CLI" 7302
wait_port "$NS_CLI" "$IP_CLI" 7302
SHIM_ENV=SHIM_LOG=info:$work/verdicts srv spawner python3 "$passer" spawner "$IP_CLI" 7302
check "a child opens the interface, and who began it connects" wait "$pid"
check "over the stack" bash -c "grep -c ': stack:' '$work/verdicts' | grep -qx 2"
[ $tap_bad = 0 ] || sed -s 's/^/# /' "$work"/{spawner.log,verdicts}
[ $tap_bad = 0 ] || sed 's/^/# /' "$work/server.log"
tap_done

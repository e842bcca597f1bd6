#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
#
# Sockets that are sent from process to process (SCM_RIGHTS, pidfd_getfd): in the family they go on
# over the stack, in flight they live, lost they end; a stranger gets listeners of the kernel's, and
# connections are refused to it.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3
net_up || exit 1
passer=$srcdir/tests/net/passer.py

srv_kernel "$NS_SRV" stranger python3 "$passer" stranger "$work/stranger"
srv server python3 "$passer" server 7300 "$work/stranger"
server=$pid
ask() { cli python3 "$passer" client "$IP_SRV" 7300 "$1"; }
cases="${CASES:-child flight peek back mmsg listener fetched lost stranger}"
segs=
for c in $cases; do
	check "$c" ask "$c"
	segs=${segs:-$(kernel_tcp_in)} # the first has waited for the server
done
segs=$(($(kernel_tcp_in) - segs))
check "the kernel had none of it ($segs segments)" [ "$segs" = 0 ]
check "stranger_listener" ask stranger_listener
"$SHIMSTAT" --json "$server" >"$work/stat" 2>&1
check "no connection is left" bash -c "! grep -o '\"state\":\"ESTAB[A-Z]*\"' '$work/stat'"
check "end" ask end
check "the server saw nothing wrong" bash -c "! grep -E 'failed|child:' '$work/server.log'"
check "why is said" grep -q 'not passed on' "$work/server.log"
[ $tap_bad = 0 ] || sed 's/^/# /' "$work/server.log"
tap_done

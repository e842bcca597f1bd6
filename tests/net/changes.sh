#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
#
# A process that has sockets of the stack becomes another user, enters other namespaces and roots,
# changes its limits, forks twice, and becomes a daemon at every step: they go on.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3
net_up || exit 1
changes=$srcdir/tests/net/changes.py
ask() { cli python3 "$changes" client "$IP_SRV" "$1" "$2"; }

srv server python3 "$changes" server 7600
check "double_fork" ask 7600 double_fork
segs=$(kernel_tcp_in)
for c in setuid setuid_fork chroot namespaces pid_namespace net_namespace apart nofile_low \
	nofile_high; do
	check "$c" ask 7600 $c
done
check "the server saw nothing wrong" bash -c "! grep -E 'failed|Traceback' '$work/server.log'"
check "it ends" end_pid "$pid"
segs=$(($(kernel_tcp_in) - segs))
check "the kernel had none of it ($segs segments)" [ "$segs" = 0 ]
for way in native shim; do
	if [ $way = native ]; then
		srv_kernel "$NS_SRV" moves python3 "$changes" moves 7602
	else
		srv moves python3 "$changes" moves 7602
	fi
	check "$way: alone, into another network namespace" ask 7602 x
	check "$way: a listener that is made there is not here" \
		cli python3 "$changes" refused "$IP_SRV" 7603
	segs=$(kernel_tcp_in)
	check "$way: its listener serves from there" ask 7602 x
	check "$way: and when it is back" ask 7602 x
	segs=$(($(kernel_tcp_in) - segs))
	wait "$pid"
	check "$way: it saw nothing wrong" [ $? = 0 ]
done
check "the kernel had none of it ($segs segments)" [ "$segs" -le 2 ]
srv daemon python3 "$changes" daemon 7601
check "a daemon, step by step" ask 7601 x
check "on the stack" accelerated daemon
[ $tap_bad = 0 ] || sed 's/^/# /' "$work/server.log" "$work/daemon.log"
tap_done

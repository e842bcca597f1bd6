#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# A JVM's servers (a selector, blocking threads, com.sun.net.httpserver), natively and under the
# shim, and its clients likewise: every byte comes back, the kernel carries none of it, and a thread
# that is blocked in a call is woken by whatever the JVM does to wake it.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need java javac

net_up
port=7300
javac -nowarn -d "$work" "$srcdir/tests/apps/JvmEcho.java" || exit 1
chmod -R a+rX "$work"
jvm=(java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$work" JvmEcho)
native=

up() { wait_port "$NS_CLI" "$IP_SRV" $((port + 2)); }
# What the calls ended with is the same as natively.
talk() { # talk COMMAND...
	local said
	said=$("$@" "${jvm[@]}" client "$IP_SRV" $port) || { echo "$said"; return 1; }
	echo "$said"
	native=${native:-$said}
	[ "$said" = "$native" ] && [[ $said = ok\ Asynchronous* ]] && [[ $said != *stuck* ]]
}
on_stack() {
	local before after
	before=$(kernel_tcp_in)
	talk "$@" || return 1
	after=$(kernel_tcp_in)
	[ $((after - before)) -lt 10 ] && return 0
	echo "the kernel took $((after - before)) segments"
	return 1
}
shown() { ip netns exec "$NS_SRV" "$SHIMSTAT" "$pid" | grep ":$port "; }

srv_kernel "$NS_SRV" native "${jvm[@]}" server "$IP_SRV" $port
check "natively: ready" up
check "natively: served" talk cli
end_pid "$pid"
srv jvm "${jvm[@]}" server "$IP_SRV" $port
check "under the shim: ready" up
check "its sockets are accelerated" accelerated jvm
check "shimstat shows its listener" shown
check "under the shim: served, and calls end as natively" on_stack cli
check "clients under the shim, too" on_stack cli_shim
served() { cli python3 "$srcdir/tests/apps/programs.py" http "$IP_SRV" $((port + 2)) 20 10; }
segs=$(kernel_tcp_in)
check "com.sun.net.httpserver under load" served
segs=$(($(kernel_tcp_in) - segs))
check "the kernel had none of it ($segs segments)" [ "$segs" = 0 ]
check "it ends" end_pid "$pid"
SHIM_ENV=SHIM_IFACE=none
srv fallback "${jvm[@]}" server "$IP_SRV" $port
check "with SHIM_IFACE=none: ready" up
check "with SHIM_IFACE=none: served, and calls end as natively" talk cli
check "with SHIM_IFACE=none: under load" served
check "it ends" end_pid "$pid"
tap_done

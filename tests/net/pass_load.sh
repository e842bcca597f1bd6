#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A listener under load is given to a process that is no member of the family (SCM_RIGHTS), again and
# again, as by the reload of haproxy: both serve, the giver closes, the heir goes on. Nobody of those
# who connect meanwhile may see it.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3
net_up || exit 1
program=$srcdir/tests/net/pass_load.py
times=${TIMES:-50}

give() { # give NAME PORT [VARIABLES]
	srv_kernel "$NS_CLI" load python3 "$program" load "$work/$1.load" "$IP_SRV"
	srv_kernel "$NS_SRV" heir python3 "$program" heir "$work/$1.heir"
	until [ -S "$work/$1.load" ] && [ -S "$work/$1.heir" ]; do
		sleep 0.05
	done
	SHIM_ENV=${3-} srv "$1" python3 "$program" giver "$work/$1.load" "$work/$1.heir" "$2" "$times"
	wait "$pid"
	status=$?
	grep -E 'served|hand-over' "$work/$1.log"
	[ "$(grep -c ': stack: ' "$work/$1.log")" = "$times" ] && [ $status = 0 ]
}

check "nobody is refused when the kernel takes over" give one 7400
check "nor from two stacks" give two 7600 SHIM_STACKS=2
tap_done

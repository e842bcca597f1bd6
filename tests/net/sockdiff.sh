#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# The socket API natively and preloaded must give the same lines: over the loopback inside the
# stack, and over a veth with a kernel peer; over IPv4, IPv6, and IPv6 sockets with IPv4 inside.
#
# All passes run at once, each in namespaces of its own. What differs is run again, alone: what does
# not differ then was the machine being busy, and is reported. More than a few of these fail, as does
# a case that differs natively from itself. What is known to differ is in sockdiff.diffs, with its
# reason, and fails if it no longer does.
#
#   sockdiff.sh                          all
#   sockdiff.sh --pass KIND OUT [FILE]   one pass (loop, loop-shim, veth, veth-shim); with FILE only
#                                        the cases named there
# shellcheck disable=SC2154
set -u
. "$srcdir/scripts/lib/net.sh"

bin=$builddir/tests/net/sockdiff
lib=$builddir/.libs/libshim.so
FLAKY_MAX=15 # lines of a comparison that may need a second look
LIMIT_S=170 # 85 of them are waited for, natively, too

# ---- one pass ------------------------------------------------------------------------------------

on_loop() { # on_loop COMMAND...: a loopback with nobody else on it, if that can be had
	if [ "$(id -u)" = 0 ]; then
		unshare -n sh -c 'ip link set lo up && exec "$@"' sh "$@"
	else
		"$@"
	fi
}

pass() { # pass KIND OUT [FILE]
	local kind=$1 out=$2 agent dir
	set -- "$bin" ${3:+--again "$3"}
	case $kind in
	loop) on_loop timeout $LIMIT_S "$@" >"$out" ;;
	loop-shim)
		on_loop env SHIM_LOOPBACK=1 SHIM_IFACE=none LD_PRELOAD="$lib" timeout $LIMIT_S "$@" >"$out"
		;;
	veth*)
		dir=$(mktemp -d) || return 1
		# shellcheck disable=SC2064
		trap "net_down 2>/dev/null; rm -rf '$dir'" EXIT
		net_up || return 1
		# Of two refusals in a row the kernel tells but one.
		on_cli sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit'
		on_cli "$bin" --agent "$dir/agent" &
		agent=$!
		until [ -S "$dir/agent" ]; do
			kill -0 $agent || return 1
			sleep 0.1
		done
		if [ "$kind" = veth ]; then
			on_srv timeout $LIMIT_S "$@" "$NET_KERN_SRV,$NET_KERN_SRV6" \
				"$NET_KERN_CLI,$NET_KERN_CLI6" "$dir/agent" >"$out"
		else
			on_srv env SHIM_IFACE="$NET_SHIM_IF" LD_PRELOAD="$lib" timeout $LIMIT_S "$@" \
				"$NET_SHIM_SRV,$NET_SHIM_SRV6" "$NET_SHIM_CLI,$NET_SHIM_CLI6" \
				"$dir/agent" >"$out"
		fi
		kill $agent
		;;
	esac
}

if [ "${1:-}" = --pass ]; then
	shift
	trap 'exit 1' INT TERM
	pass "$@"
	exit
fi

# ---- all of them ---------------------------------------------------------------------------------

dir=$(mktemp -d) || exit 1
n=0
bad=0
pids=()

finish() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

start() { # start KIND NAME [FILE]: a pass in the background; its lines will be in $dir/NAME
	"$0" --pass "$1" "$dir/$2" ${3:+"$3"} &
	pids+=($!)
}

finished() { # all that were started have ended
	wait "${pids[@]}"
	pids=()
}

# What differs between A and B into $dir/differs (what A says, and below it what B says), but for what
# is known to differ by KIND; a row of sockdiff.diffs that nothing differs by into $dir/stale.
look() { # look KIND A B
	: >"$dir/differs"
	: >"$dir/stale"
	awk -F': ' -v kind="$1" -v differs="$dir/differs" -v stale="$dir/stale" '
		FILENAME == ARGV[1] {
			if ($0 !~ /^#/ && split($0, w, " ") >= 3 && (w[1] == kind || w[1] == "both"))
				known["^" w[2] "$"] = 0
			next
		}
		FILENAME == ARGV[2] { a[$1] = $0; next }
		{
			seen[$1] = 1
			if (a[$1] != $0)
				tell($1, a[$1], $0)
		}
		END {
			for (l in a)
				if (!(l in seen))
					tell(l, a[l], "(nothing)")
			for (k in known)
				if (!known[k])
					print k >stale
		}
		function tell(label, x, y, name, k, hit) {
			name = label
			sub(/.* /, "", name)
			for (k in known)
				if (name ~ k)
					hit = known[k] = 1
			if (!hit)
				print (x == "" ? label ": (nothing)" : x) "\n\t" y >differs
		}' "$srcdir/tests/net/sockdiff.diffs" "$dir/$2" "$dir/$3"
}

verdict() { # verdict STATUS TEXT FILE: with what the file says, if it failed
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	sed 's/^/# /' "$3"
	echo "not ok $n - $2"
	bad=1
}

# $dir/A is what the kernel says in passes of KIND-A, $dir/B what KIND-B says: alike, or alike when
# run again.
compare() { # compare NAME KIND KIND-A A KIND-B B
	local lines
	lines=$(wc -l <"$dir/$4")
	look "$2" "$4" "$6"
	cp "$dir/stale" "$dir/stale.all"
	for _ in 1 2; do
		[ -s "$dir/differs" ] && [ "$(grep -vc "^	" "$dir/differs")" -le $FLAKY_MAX ] || break
		sed 's/^/# once: /' "$dir/differs"
		cp "$dir/differs" "$dir/cases"
		start "$3" again.a "$dir/cases"
		start "$5" again.b "$dir/cases"
		finished
		grep -v "^	" "$dir/cases" | sed 's/:.*//' >"$dir/labels"
		look none again.a again.b
		[ "$(wc -l <"$dir/again.a")" = "$(wc -l <"$dir/labels")" ] || break
	done
	[ "$lines" -gt 1000 ] || echo "only $lines lines" >>"$dir/differs"
	test ! -s "$dir/differs"
	verdict $? "$1 ($lines lines)" "$dir/differs"
	if [ "$2" != none ]; then
		test ! -s "$dir/stale.all"
		verdict $? "$1: what is known to differ does" "$dir/stale.all"
	fi
}

start loop loop
start loop loop.2
start loop-shim loop.shim
if net_root 2>/dev/null; then
	start veth veth
	start veth veth.2
	start veth-shim veth.shim
fi
finished
compare "loopback, natively again" none loop loop loop loop.2
compare loopback loop loop loop loop-shim loop.shim
if net_root; then
	compare "veth, natively again" none veth veth veth veth.2
	compare veth veth veth veth veth-shim veth.shim
else
	echo "ok $((n + 1)) - veth # SKIP needs root"
fi
exit $bad

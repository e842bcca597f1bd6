#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# The socket API natively and preloaded must give the same lines: over the loopback inside the
# stack, and over a veth with a kernel peer.
# shellcheck disable=SC2154
set -u
. "$srcdir/scripts/lib/net.sh"

dir=$(mktemp -d) || exit 1
bin=$builddir/tests/net/sockdiff
lib=$builddir/.libs/libshim.so
agent=
n=0
bad=0

finish() {
	[ -z "$agent" ] || kill "$agent" 2>/dev/null
	net_down 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

compare() { # compare NAME: $dir/native against $dir/shim
	n=$((n + 1))
	if [ -s "$dir/native" ] && diff "$dir/native" "$dir/shim" >"$dir/diff"; then
		echo "ok $n - $1 ($(wc -l <"$dir/native") lines)"
	else
		sed 's/^/# /' "$dir/diff"
		echo "not ok $n - $1"
		bad=1
	fi
}

timeout 60 "$bin" >"$dir/native"
SHIM_LOOPBACK=1 SHIM_IFACE=none LD_PRELOAD=$lib timeout 60 "$bin" >"$dir/shim"
compare loopback

if ! net_root || ! net_up; then
	echo "ok $((n + 1)) - veth # SKIP needs root"
	exit $bad
fi
# Of two refusals in a row the kernel tells but one.
on_cli sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit'
on_cli "$bin" --agent "$dir/agent" &
agent=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -S "$dir/agent" ] && break
	sleep 0.1
done
on_srv timeout 80 "$bin" "$NET_KERN_SRV" "$NET_KERN_CLI" "$dir/agent" >"$dir/native"
on_srv env SHIM_IFACE="$NET_SHIM_IF" LD_PRELOAD="$lib" timeout 80 "$bin" \
	"$NET_SHIM_SRV" "$NET_SHIM_CLI" "$dir/agent" >"$dir/shim"
compare veth
exit $bad

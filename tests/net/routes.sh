#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Addresses, routes, neighbours, links and MTUs that change under live connections, natively and under
# the shim at once, each in a world of its own: what the program sees must be the same.
# timeout: 300
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3
export LIBSHIM SHIMSTAT

names=()
world() { # world native|shim 4|6 [SCENARIO...]: makes it, and plays
	local name=$1 family=$2
	shift 2
	NET_SRV=$NET_PREFIX-$$-srv_$name$family
	NET_CLI=$NET_PREFIX-$$-cli_$name$family
	names+=("$NET_SRV" "$NET_CLI")
	net_up || exit 1
	ip link add shim1 netns "$NET_SRV" type veth peer name shim1 netns "$NET_CLI" || exit 1
	timeout 280 python3 "$srcdir/tests/net/routes.py" "$name" "$family" "$NET_SRV" "$NET_CLI" \
		"$@" >"$work/$name.$family" 2>"$work/$name.err.$family" &
	server_pids+=("$!")
}
finish() {
	local n
	for n in "${server_pids[@]}"; do kill -KILL "$n" 2>/dev/null; done
	for n in "${names[@]}"; do net_remove "$n"; done
	rm -rf "$work"
}
trap finish EXIT

for family in 4 6; do
	world native $family "$@"
	world shim $family "$@"
done
wait "${server_pids[@]}"
for name in native shim native.err shim.err; do
	cat "$work/$name.4" "$work/$name.6" >"$work/$name"
done

for case in $(grep -v '^#' "$work/native" | cut -d' ' -f1,2 --output-delimiter=: | uniq); do
	grep "^${case/:/ } " "$work/native" >"$work/a"
	grep "^${case/:/ } " "$work/shim" >"$work/b"
	if [ -n "${V:-}" ]; then sed 's/^/# /' "$work/a"; fi
	diff "$work/a" "$work/b" | grep '^[<>]' | sed 's/^/# /'
	same=0
	cmp -s "$work/a" "$work/b" || same=1
	ok "${case%:*}, IPv${case#*:} ($(wc -l <"$work/a") looks)" $same
done
grep -h '^#' "$work/native" "$work/shim" | sort | uniq -c | sed 's/^/# /'
tail -n 15 "$work/native.err" "$work/shim.err" | grep . | grep -v '^==>' | sed 's/^/# /'
[ "$tap_n" -gt 0 ] || ok "something was played" 1
tap_done

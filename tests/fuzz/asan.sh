#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Ten million packets through the input path under AddressSanitizer and UBSan, what is free in the
# arena poisoned. Builds the stack and the driver by itself, in a temporary folder.
#   PACKETS=N, SEED=N, CC=...
# timeout: 600
set -u
top=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
packets=${PACKETS:-10000000} seed=${SEED:-1}
cc=${CC:-gcc}
dir=$(mktemp -d) || exit 1
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT

echo 'int main(void) { return 0; }' >"$dir/try.c"
flags="-fsanitize=address,undefined -fno-sanitize-recover=all"
if ! $cc $flags "$dir/try.c" -o "$dir/try" 2>/dev/null || ! "$dir/try"; then
	echo "$cc has no sanitizers here"
	exit 77
fi
jobs=$(nproc)
flags="$flags -DSTACK_POISON -std=gnu11 -D_GNU_SOURCE -O2 -g -fno-strict-aliasing -I$top"
(cd "$top" && ls stack/*.c stack/*/*.c tests/fuzz/{world,peer,emitted,audit,packets}.c) |
	xargs -P "$jobs" -I{} sh -c \
		"$cc $flags -c $top/{} -o $dir/\$(echo {} | tr / _).o || exit 255" || exit 1
$cc $flags "$dir"/*.o -o "$dir/packets" || exit 1

for i in $(seq "$jobs"); do
	"$dir/packets" --seed $((seed + i - 1)) --count $((packets / jobs)) --quiet \
		>"$dir/out.$i" 2>&1 &
	pids="$pids $!"
done
status=0
for p in $pids; do
	wait "$p" || status=1
done
pids=
for i in $(seq "$jobs"); do
	grep -v '^ *[0-9]*  ' "$dir/out.$i"
done
# The table, over all processes.
awk '/^ *[0-9]+  [a-z]/ { v = $1; sub(/^ *[0-9]+  /, ""); n[$0] += v
			      if (!($0 in at)) { at[$0] = ++k; name[k] = $0 } }
	END { for (i = 1; i <= k; i++) printf "%12d  %s\n", n[name[i]], name[i] }' "$dir"/out.*
exit $status

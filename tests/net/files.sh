#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# A sparse and a random file to a kernel client by sendfile and splice, whole and in pieces of every
# alignment, from memory and from the disk, every byte compared. FILES_MB says how large they are.
# shellcheck disable=SC2154
set -u
. "$srcdir/scripts/lib/net.sh"
net_root || exit 77
mb=${FILES_MB:-32}
files=$builddir/tests/net/files
lib=$builddir/.libs/libshim.so
dir=$(mktemp -d /var/tmp/filesXXXXXX) || exit 1
server=''
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	net_down
	rm -rf "$dir"
}
trap 'net_status=$?; trap - EXIT; finish; exit $net_status' EXIT
trap 'exit 130' INT TERM
net_up || exit 1
n=0
bad=0

kernel_sent() { on_srv awk '/^Tcp: [0-9]/ {print $12}' /proc/net/snmp; }

check() { # check TEXT COMMAND...
	n=$((n + 1))
	text=$1
	shift
	"$@" && echo "ok $n - $text" && return
	echo "not ok $n - $text"
	bad=1
}

for kind in sparse random; do
	rm -f "$dir/log"
	"$files" make $kind "$mb" "$dir/file" || exit 1
	cp "$dir/file" "$dir/copy" # reading the file itself would bring it into memory
	on_srv env SHIM_IFACE=$NET_SHIM_IF LD_PRELOAD="$lib" \
		"$files" serve $NET_SHIM_SRV 7000 "$dir/file" >"$dir/log" &
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		grep -qs ready "$dir/log" && break
		sleep 0.2
	done
	server=$(ip netns pids "$NET_SRV" | head -n 1)
	before=$(kernel_sent)
	on_cli "$files" fetch $NET_SHIM_SRV 7000 "$dir/copy" >"$dir/out"
	sed -n 's/^/# /p' "$dir/out"
	while read -r line; do
		check "$kind: ${line#*- }" [ "${line%% *}" = ok ]
	done <<-END
		$(grep '^\(not \)\?ok ' "$dir/out")
	END
	check "$kind: all of them" [ "$(grep -c '^ok' "$dir/out")" = 16 ]
	check "$kind: none by the kernel" [ $(($(kernel_sent) - before)) -lt 100 ]
	waits=$("$builddir/shimstat" -m "$server" | awk '/file_waits/ {for (i = 1; i <= NF; i++) if ($i + 0) print $i}')
	echo "# waits for the disk: ${waits:=0}"
	# How often depends on how far the kernel reads ahead meanwhile.
	check "$kind: the disk was waited for" [ "$waits" -gt 64 ]
	kill "$server"
	wait 2>/dev/null
	server=''
done
exit $bad

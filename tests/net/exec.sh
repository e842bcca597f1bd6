#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
#
# A listener, a connection and an epoll set go over exec, by every way there is: to an image under
# the shim they go on over the stack; without it the listener serves as the kernel's, and the
# connection ends.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
make -s -C "$builddir" tests/net/execer >&2 || exit 1
net_up || exit 1
execer=$builddir/tests/net/execer
ways="execv execve execvp execvpe execl execlp text execle fexecve execveat syscall shell failing vfork \
	vfork-dup vfork-many posix_spawn posix_spawnp spawn-dup spawn-close \
	system popen"

# A script without a first line that says so is the shell's to run, for some.
# shellcheck disable=SC2016
echo 'exec "$1" next "$2" "$3" "$4"' >"$work/text"
chmod +x "$work/text"
export EXECER_TEXT=$work/text
# Images that the dynamic loader preloads nothing into: without one, and with another user's rights.
cp "$execer" "$work/setuid" && chown nobody "$work/setuid" && chmod 4755 "$work/setuid" || exit 1
gcc -static -O1 -w -o "$work/static" "$srcdir/tests/net/execer.c" || exit 1
export static=$work/static setuid=$work/setuid
srv children "$execer" server 7200 children $ways closed plain
children=$pid
wait_listen() {
	for _ in $(seq 50); do
		ip netns exec "$NS_SRV" ss -Htln "sport = :$1" | grep -q . && return 0
		sleep 0.1
	done
	return 1
}
check "a server under the shim" wait_listen 7200
segs=$(kernel_tcp_in)
for way in $ways; do
	check "$way: a child goes on with all three" cli "$execer" client "$IP_SRV" 7200 served
done
check "a connection that is close-on-exec ends" cli "$execer" client "$IP_SRV" 7200 closed
segs=$(($(kernel_tcp_in) - segs))
check "the kernel had none of it ($segs segments)" [ "$segs" = 0 ]
check "a program without the shim serves as the kernel does" \
	cli "$execer" client "$IP_SRV" 7200 plain
check "every one of them has ended well" bash -c "! grep -E ': [1-9][0-9]*\$' $work/children.log"
wait "$children" 2>/dev/null
check "the interface is let go" bash -c "! ip -n $NS_SRV link show $IF_SRV | grep -q xdp"
for way in execv shell vfork system; do
	srv alone "$execer" server 7201 alone $way
	check "$way: one alone" wait_listen 7201
	check "$way: becomes the next image and goes on" \
		cli "$execer" client "$IP_SRV" 7201 served
	[ $tap_bad = 0 ] || sed 's/^/# /' "$work/alone.log"
	wait "$pid"
done
port=7202
for way in plain static setuid; do
	srv alone "$execer" server $port alone $way
	check "$way: one alone" wait_listen $port
	check "$way: becomes one without the shim, and serves" \
		cli "$execer" client "$IP_SRV" $port plain
	wait "$pid"
	check "$way: it ends well" [ $? = 0 ]
	port=$((port + 1))
done
for way in static setuid; do
	srv parent "$execer" server $port children $way
	check "$way: a child" wait_listen $port
	check "$way: has kernel sockets, and serves" cli "$execer" client "$IP_SRV" $port plain
	wait "$pid"
	check "$way: has ended well" grep -qx "$way: 0" "$work/parent.log"
	port=$((port + 1))
done
# Nothing accelerated, nothing inherited: programs that a shell under the shim begins are strangers.
strangers() {
	on_srv env LD_PRELOAD="$LIBSHIM" SHIM_IFACE="$IF_SRV" python3 -c '
import socket, subprocess, sys
s = socket.socket()
mine = "memfd:libshim" in open("/proc/self/maps").read()
n = subprocess.run(["grep", "-c", "memfd:libshim", "/proc/self/maps"], stdout=subprocess.PIPE).stdout
sys.exit(not mine or int(n) != 0)'
}
check "who is given nothing is of no family" strangers
[ $tap_bad = 0 ] || cat "$work/children.log" "$work/alone.log" | sed 's/^/# /'
tap_done

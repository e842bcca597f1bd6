#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 280
#
# A storm of forks: 200 children a second, each for one connection, a third of them killed at random
# instants, on the kernel and under the shim. Those that are not killed serve whole, but for the
# connections that a dead one was just changing, which the stack has counted; none stands still,
# nothing stays behind. Then nginx with four workers under load, its workers killed one by one and
# its configuration reloaded 20 times: no more requests fail than on the kernel. STORM_SECONDS (60
# is full length), STORM_SEED and STORM_STACKS choose.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3 nginx wrk
make -s -C "$builddir" tests/net/storm >&2 || exit 1
net_up || exit 1
SECS=${STORM_SECONDS:-7}
SEED=${STORM_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
STACKS=${STORM_STACKS:-1}
storm=$builddir/tests/net/storm
echo "# STORM_SEED=$SEED STORM_SECONDS=$SECS STORM_STACKS=$STACKS"
field() { sed -n "s/.*\<$2=\([0-9]*\).*/\1/p" "$work/$1"; }

srv_kernel "$NS_SRV" server-kernel "$storm" server 7500 "$SEED" "$SECS"
server=$pid
check "a server that forks, on the kernel" wait_port "$NS_CLI" "$NET_KERN_SRV" 7500
cli "$storm" client "$NET_KERN_SRV" 7500 200 "$SECS" >"$work/kernel"
echo "# kernel: $(cat "$work/kernel")"
end_pid "$server"
SHIM_ENV="SHIM_STACKS=$STACKS" srv server "$storm" server 7500 "$SEED" "$SECS"
server=$pid
check "a server that forks" wait_port "$NS_CLI" "$IP_SRV" 7500
cli "$storm" client "$IP_SRV" 7500 200 "$SECS" >"$work/during"
inside=$(grep -c 'died inside the stack' "$work/server.log")
echo "# shim: $(cat "$work/during"); died inside: $inside, while sending:" \
	"$(grep -c 'died while it sent' "$work/server.log")"
# shellcheck disable=SC2154  # it is slow with sanitizers
[ -n "$runtime" ] || check "nearly as many are served as on the kernel" \
	[ "$(field during whole)" -gt $(($(field kernel whole) * 6 / 10)) ]
# What each death took along, its own connection among them; anew: all of a stack's, as who mended
# it died, too.
resets=$(sed -n 's/.*died inside the stack: \([0-9]*\) connections.*/\1/p' "$work/server.log" |
	awk '{ n += $1 } END { print n + 0 }')
anew=$(grep -c 'died inside the stack: its connections' "$work/server.log")
echo "# reset with those that died inside: $resets, all at once: $anew"
all=$(($(field during whole) + $(field during cut) + $(field during spoilt)))
check "hardly ever does a death cost more than the connection at hand" \
	[ "$anew" -le $((1 + all / 5000)) ]
check "who is not killed is served whole, but for these" \
	[ "$(field during spoilt)" -le $((resets + anew * 32)) ]
check "no more stand still than on the kernel" \
	[ "$(field during hung)" -le "$(field kernel hung)" ]
check "no byte is wrong" [ "$(field during wrong)" = 0 ]
sleep 3 # the reaper's time
cli "$storm" client "$IP_SRV" 7500 200 2 >"$work/after"
echo "# after: $(cat "$work/after")"
check "afterwards every one is whole" \
	[ "$(field after cut)$(field after spoilt)$(field after hung)" = 000 ]
sleep 2.5
"$SHIMSTAT" --json "$server" >"$work/stat" 2>&1
check "every pool has come to rest" python3 "$srcdir/tests/net/pools.py" "$work/stat" \
	epoll_item watch=1 ofd_name # one watch: of who waits in accept()
[ $tap_bad = 0 ] || { "$SHIMSTAT" "$server"; "$SHIMSTAT" -v "$server"; } 2>&1 | sed 's/^/# /'
check "no assertion failed" bash -c "! grep ASSERT '$work/server.log'"
check "it ends" end_pid "$server"

mkdir -p "$work/www"
head -c 612 /dev/urandom >"$work/www/612"
chmod -R 755 "$work/www"
cat >"$work/nginx.conf" <<CONF
user www-data;
worker_processes 4;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log crit;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path $work/b; proxy_temp_path $work/p;
	fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
	server { listen 0.0.0.0:8085 backlog=1024 reuseport; listen 0.0.0.0:8086 backlog=1024; root $work/www; }
}
CONF

# nginx_run ADDRESS: kills and reloads under load; failed requests to $failed, served ones to $served.
nginx_run() {
	cli wrk -t 1 -c 16 -d 6 --timeout 5s "http://$1:8086/612" >"$work/wrk" 2>&1 &
	local load=$! w
	sleep 0.5
	for i in $(seq 20); do
		if [ $((i % 5)) = 0 ]; then
			w=$(pgrep -P "$nginx" | head -n 1)
			[ -n "$w" ] && kill -KILL "$w"
		fi
		kill -HUP "$nginx"
		sleep 0.2
	done
	wait "$load"
	cat "$work/wrk"
	failed=$(awk '/Socket errors/ { gsub(",", ""); print $4 + $6 + $8 + $10 }' "$work/wrk")
	failed=${failed:-0}
	served=$(awk '/requests in/ { print $1 }' "$work/wrk")
	[ "${served:-0}" -gt 200 ]
}
srv_kernel "$NS_SRV" nginx-kernel nginx -c "$work/nginx.conf"
nginx=$pid
check "nginx with four workers on the kernel" wait_port "$NS_CLI" "$NET_KERN_SRV" 8086
check "it serves while workers are killed and it reloads" nginx_run "$NET_KERN_SRV"
kernel_failed=$failed
echo "# kernel: $served served, $failed failed"
check "it ends" end_pid "$nginx"
srv nginx nginx -c "$work/nginx.conf"
nginx=$pid
check "nginx with four workers under the shim" wait_port "$NS_CLI" "$IP_SRV" 8086
check "it serves while workers are killed and it reloads" nginx_run "$IP_SRV"
echo "# shim: $served served, $failed failed, $(grep -c 'died inside' "$work/nginx.log") inside the stack"
# A worker that dies inside the stack takes along what it was changing.
inside=$(grep -c 'died inside' "$work/nginx.log")
check "no more requests fail than on the kernel" \
	[ "$failed" -le $((kernel_failed + 4 * 4 + inside)) ]
check "it ends" end_pid "$nginx"
[ $tap_bad = 0 ] || tail -n 20 "$work/server.log" "$work/nginx.log" | sed 's/^/# /'
tap_done

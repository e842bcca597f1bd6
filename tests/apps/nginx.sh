#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 400
#
# An unmodified nginx over the stack: files of every size by sha256, one worker and two, keepalive and
# not, sendfile on and off, a thousand connections, a million requests, reload and stop under load,
# and as a proxy whose upstreams are on the kernel's loopback and across the veth.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need nginx wrk curl python3

requests=${NGINX_REQUESTS:-1000000}
net_up
mkdir -p "$work/www" "$work/tmp"
chmod -R 777 "$work"
: >"$work/www/0"
head -c 612 /dev/urandom >"$work/www/612"
head -c 65536 /dev/urandom >"$work/www/64k"
head -c 1048576 /dev/urandom >"$work/www/1m"
head -c 104857600 /dev/urandom >"$work/www/100m"

# conf WORKERS SENDFILE
listen=
conf() {
	cat >"$work/nginx.conf" <<CONF
user www-data;
worker_processes $1;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log warn;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile $2;
	tcp_nopush on;
	keepalive_requests 1000000;
	client_body_temp_path $work/tmp/b; proxy_temp_path $work/tmp/p;
	fastcgi_temp_path $work/tmp/f; uwsgi_temp_path $work/tmp/u; scgi_temp_path $work/tmp/s;
	upstream local { server 127.0.0.1:8081; keepalive 8; }
	upstream far { server $IP_CLI:8082; keepalive 8; }
	server {
		listen $IP_SRV:8080 backlog=4096 $listen;
		root $work/www;
		location /local/ { proxy_pass http://local/; proxy_http_version 1.1; proxy_set_header Connection ""; }
		location /far/ { proxy_pass http://far/; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
	server { listen 127.0.0.1:8081; root $work/www; }
}
CONF
}

start() {
	conf "$1" "$2"
	srv nginx nginx -c "$work/nginx.conf"
	wait_port "$NS_CLI" "$IP_SRV" 8080 && accelerated nginx
}

# slowly FILE: fetches it within about three seconds, in the background; its process is in $slow.
slowly() {
	cli curl -sf --limit-rate 35M "http://$IP_SRV:8080/$1" | sha256sum >"$work/slowly" &
	slow=$!
	sleep 0.5
}

whole() {
	wait $slow
	[ "$(cat "$work/slowly")" = "$(sha256sum <"$work/www/$1")" ]
}

# The old worker goes on with what it has, and nothing else.
download_outlives_reload() {
	slowly 100m
	kill -HUP "$pid"
	sleep 0.5
	same "" && whole 100m
}

# QUIT closes the listener; the connection lives on, and nobody else gets in.
stop_after_download() {
	slowly 100m
	kill -QUIT "$pid"
	sleep 0.5
	cli curl -s "http://$IP_SRV:8080/0"
	[ $? = 7 ] || return 1
	whole 100m && gone
}

stop() {
	kill -QUIT "$pid"
	gone
}

gone() {
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "nginx does not stop"
	return 1
}

same() {
	local f want got
	for f in 0 612 64k 1m 100m; do
		want=$(sha256sum <"$work/www/$f")
		got=$(cli curl -sf "http://$IP_SRV:8080$1/$f" | sha256sum)
		[ "$want" = "$got" ] || {
			echo "$f differs"
			return 1
		}
	done
}

file_waits() {
	"$SHIMSTAT" -m "$pid" | awk '/file_waits/ {n = $1} END {print n + 0}'
}

# A file that is not in memory: the disk is waited for, while small files go on being served.
cold() {
	local before want got
	before=$(file_waits)
	want=$(sha256sum <"$work/www/100m")
	sync "$work/www/100m"
	dd if="$work/www/100m" iflag=nocache count=0 2>/dev/null
	cli curl -sf "http://$IP_SRV:8080/100m" | sha256sum >"$work/cold" &
	load -t1 -c10 -d1s "http://$IP_SRV:8080/612" || return 1
	wait $!
	got=$(cat "$work/cold")
	echo "waited for the disk $before times, then $(file_waits)"
	[ "$want" = "$got" ] && [ "$(file_waits)" -gt "$before" ]
}

# Several at once on one connection each, so that responses queue behind one another.
same_parallel() {
	local i curls=()
	for i in 1 2 3 4; do
		cli curl -sf "http://$IP_SRV:8080/1m" "http://$IP_SRV:8080/64k" "http://$IP_SRV:8080/1m" \
			>"$work/par$i" &
		curls+=($!)
	done
	wait "${curls[@]}" || return 1
	cat "$work/www/1m" "$work/www/64k" "$work/www/1m" >"$work/want"
	for i in 1 2 3 4; do
		cmp "$work/want" "$work/par$i" || return 1
	done
}

# load ARGUMENTS-OF-WRK... URL: neither socket errors nor other answers than 200.
load() {
	local out
	out=$(cli wrk "$@" 2>&1)
	echo "$out"
	! grep -Eq 'Socket errors|Non-2xx' <<<"$out" && grep -q 'requests in' <<<"$out"
}

million() {
	local out n=0
	while [ $n -lt "$requests" ]; do
		out=$(cli wrk -t2 -c64 -d10s "http://$IP_SRV:8080/612" 2>&1)
		grep -Eq 'Socket errors|Non-2xx' <<<"$out" && {
			echo "$out"
			return 1
		}
		n=$((n + $(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' <<<"$out")))
		echo "# $n requests" >&3
	done
}

proof() {
	local before after conns w
	before=$(kernel_tcp_in)
	cli wrk -t1 -c20 -d1s "http://$IP_SRV:8080/612" >/dev/null 2>&1 &
	w=$!
	sleep 0.6
	conns=$(kernel_conns 8080)
	wait $w
	after=$(kernel_tcp_in)
	cat "$work/nginx.log"
	echo "kernel connections $conns, kernel segments in $before -> $after"
	[ "$conns" = 0 ] && [ "$before" = "$after" ]
}

reload_under_load() {
	local w i
	cli wrk -t1 -c16 -d2s "http://$IP_SRV:8080/612" >"$work/reload" 2>&1 &
	w=$!
	for i in 1 2 3; do
		sleep 0.5
		kill -HUP "$pid"
	done
	wait $w
	cat "$work/reload"
	# Keepalive connections that an old worker closes count as read errors with wrk, natively too.
	! grep -q 'Non-2xx' "$work/reload" && ! grep -Eq 'connect [1-9]|timeout [1-9]' "$work/reload" &&
		same ""
}

# The master is root; the workers, who serve, are not, and have no capability.
unprivileged() {
	local w n=0
	for w in $(pgrep -P "$pid"); do
		grep -q '^CapEff:[[:space:]]*0*$' "/proc/$w/status" || return 1
		n=$((n + 1))
	done
	[ $n -ge 1 ]
}

# A worker dies inside whatever it does; the others' connections may be lost, the service may not.
worker_killed() {
	local w n
	cli wrk -t1 -c16 -d2s "http://$IP_SRV:8080/612" >"$work/killed" 2>&1 &
	w=$!
	for n in 1 2 3 4; do
		sleep 0.4
		kill -KILL "$(pgrep -P "$pid" | head -n 1)"
	done
	wait $w
	cat "$work/killed" "$work/nginx.log" "$work/error.log"
	! grep -q 'Non-2xx' "$work/killed" && [ "$(pgrep -c -P "$pid")" -ge 1 ] &&
		load -t1 -c50 -d1s "http://$IP_SRV:8080/612" && same ""
}

exec 3>&2
srv_kernel "$NS_CLI" far python3 -m http.server 8082 --bind "$IP_CLI" --directory "$work/www"
for workers in 1 2; do
	for sendfile in on off; do
		tag="$workers worker(s), sendfile $sendfile"
		check "$tag: starts" start $workers $sendfile
		check "$tag: the stack carries it" proof
		check "$tag: its workers are unprivileged" unprivileged
		check "$tag: 0 B to 100 MB by sha256" same ""
		check "$tag: several at once" same_parallel
		[ "$sendfile" = on ] && check "$tag: 100 MB that are not in memory" cold
		check "$tag: keepalive" load -t1 -c50 -d1s "http://$IP_SRV:8080/612"
		check "$tag: 64 KB" load -t1 -c50 -d1s "http://$IP_SRV:8080/64k"
		check "$tag: a connection per request" load -t1 -c20 -d1s -H "Connection: close" \
			"http://$IP_SRV:8080/612"
		check "$tag: 1000 connections" load -t2 -c1000 -d2s --timeout 10s "http://$IP_SRV:8080/612"
		check "$tag: upstream on the kernel's loopback" same /local
		check "$tag: upstream across the veth" same /far
		[ "$workers$sendfile" = 1on ] && check "$requests requests without an error" million
		check "$tag: reload under load" reload_under_load
		[ "$sendfile" = on ] && check "$tag: a download outlives a reload" download_outlives_reload
		[ "$sendfile" = on ] && check "$tag: killed workers are replaced" worker_killed
		if [ "$sendfile" = on ]; then
			check "$tag: stops by QUIT once a download is done" stop_after_download
		else
			check "$tag: stops by QUIT" stop
		fi
	done
done
listen=reuseport
check "2 workers with a listener each: start" start 2 on
check "2 workers with a listener each: the stack carries it" proof
check "2 workers with a listener each: 0 B to 100 MB by sha256" same ""
check "2 workers with a listener each: a connection per request" load -t1 -c20 -d2s \
	-H "Connection: close" "http://$IP_SRV:8080/612"
check "2 workers with a listener each: reload under load" reload_under_load
check "2 workers with a listener each: stop by QUIT" stop

listen=
SHIM_ENV="SHIM_STACKS=4"
check "4 workers, 4 stacks: start" start 4 on
check "4 workers, 4 stacks: the stack carries it" proof
check "4 workers, 4 stacks: 0 B to 100 MB by sha256" same ""
check "4 workers, 4 stacks: several at once" same_parallel
check "4 workers, 4 stacks: a connection per request" load -t1 -c20 -d1s \
	-H "Connection: close" "http://$IP_SRV:8080/612"
check "4 workers, 4 stacks: upstream across the veth" same /far
check "4 workers, 4 stacks: reload under load" reload_under_load
check "4 workers, 4 stacks: killed workers are replaced" worker_killed
check "4 workers, 4 stacks: stop by QUIT" stop
check "nothing is left attached" bash -c "! ip -n $NS_SRV -o link show dev $IF_SRV | grep -q xdp"
tap_done

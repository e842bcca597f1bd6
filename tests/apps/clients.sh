#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
#
# curl, wget, redis-cli and wrk as clients under the shim: against kernel servers across the veth, with both
# sides under the shim, and over the loopback inside the stack.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need nginx wrk curl wget redis-server redis-cli redis-benchmark

net_up
mkdir -p "$work/www" "$work/tmp"
chmod -R 777 "$work"
head -c 612 /dev/urandom >"$work/www/612"
head -c 20000000 /dev/urandom >"$work/www/20m"
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log warn;
events { worker_connections 2048; }
http {
	access_log off;
	sendfile on;
	client_body_temp_path $work/tmp/b; proxy_temp_path $work/tmp/p;
	fastcgi_temp_path $work/tmp/f; uwsgi_temp_path $work/tmp/u; scgi_temp_path $work/tmp/s;
	server {
		listen 0.0.0.0:8080;
		root $work/www;
		dav_methods PUT;
		client_max_body_size 100m;
		location /self/ { proxy_pass http://127.0.0.1:8080/; }
	}
}
CONF

# get FILE [COMMAND...]: writes to standard output what its last argument names; curl unless it is said
get() {
	local before after file=$1
	shift
	[ $# -gt 0 ] || set -- curl -sf
	tcp_settled "$NS_CLI" || return 1
	before=$(tcp_in "$NS_CLI")
	cli_shim "$@" "http://$IP_SRV:8080/$file" >"$work/got" || return 1
	after=$(tcp_in "$NS_CLI")
	cmp "$work/got" "$work/www/$file" || return 1
	[ "$before" = "$after" ] || {
		echo "the kernel carried it: segments in $before -> $after"
		return 1
	}
}

put() {
	cli_shim curl -sf -T "$work/www/20m" "http://$IP_SRV:8080/put" && cmp "$work/www/20m" "$work/www/put"
}

refused() {
	cli_shim curl -s "http://$IP_SRV:81/"
	[ $? = 7 ]
}

wrk_shim() {
	local out
	out=$(cli_shim wrk -t1 -c20 -d2s "$@" "http://$IP_SRV:8080/612" 2>&1)
	echo "$out"
	! grep -Eq 'Socket errors|Non-2xx' <<<"$out" && grep -q 'requests in' <<<"$out"
}

redis_cli_shim() {
	[ "$(cli_shim redis-cli -h "$IP_SRV" ping)" = PONG ] &&
		[ "$(cli_shim redis-cli -h "$IP_SRV" set k v)" = OK ] &&
		[ "$(cli_shim redis-cli -h "$IP_SRV" get k)" = v ] &&
		cli_shim redis-benchmark -h "$IP_SRV" -c 20 -n 20000 -t set,get -q
}

all_clients() {
	check "$1: curl gets 612 bytes" get 612
	check "$1: curl gets 20 MB" get 20m
	check "$1: wget gets 20 MB" get 20m wget -q -O -
	check "$1: curl puts 20 MB" put
	check "$1: a closed port refuses" refused
	check "$1: wrk, keepalive" wrk_shim
	check "$1: wrk, a connection per request" wrk_shim -H "Connection: close"
	check "$1: redis-cli and redis-benchmark" redis_cli_shim
}

srv_kernel "$NS_SRV" nginx nginx -c "$work/nginx.conf"
nginx_pid=$pid
srv_kernel "$NS_SRV" redis redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save ""
redis_pid=$pid
check "kernel servers start" wait_port "$NS_CLI" "$IP_SRV" 8080
check "kernel servers start" wait_port "$NS_CLI" "$IP_SRV" 6379
all_clients "against the kernel"
end_pid "$nginx_pid" QUIT
end_pid "$redis_pid"

# One family per device queue: nginx first, then redis.
srv nginx nginx -c "$work/nginx.conf"
nginx_pid=$pid
check "nginx under the shim starts" wait_port "$NS_CLI" "$IP_SRV" 8080
check "both under the shim: curl gets 612 bytes" get 612
check "both under the shim: curl gets 20 MB" get 20m
check "both under the shim: wget gets 20 MB" get 20m wget -q -O -
check "both under the shim: curl puts 20 MB" put
check "both under the shim: a closed port refuses" refused
check "both under the shim: wrk, keepalive" wrk_shim
check "both under the shim: wrk, a connection per request" wrk_shim -H "Connection: close"
end_pid "$nginx_pid" QUIT

# One family, whose connections to itself never leave the process. Some of twenty thousand get a port
# from the kernel that is in TIME-WAIT here, and are left to it: less than one segment in a thousand.
self() {
	local before after
	before=$(kernel_tcp_in)
	cli curl -sf "http://$IP_SRV:8080/self/20m" | cmp - "$work/www/20m" &&
		cli wrk -t1 -c10 -d1s "http://$IP_SRV:8080/self/612" >"$work/self" && cat "$work/self" &&
		! grep -Eq 'Socket errors|Non-2xx' "$work/self" || return 1
	after=$(kernel_tcp_in)
	echo "the kernel's segments in: $before -> $after"
	[ $((after - before)) -lt 200 ]
}
SHIM_ENV=SHIM_LOOPBACK=1
srv nginx nginx -c "$work/nginx.conf"
nginx_pid=$pid
SHIM_ENV=
check "nginx with the loopback in the stack starts" wait_port "$NS_CLI" "$IP_SRV" 8080
check "loopback: nginx as its own client" self
end_pid "$nginx_pid" QUIT
srv redis redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save ""
check "redis under the shim starts" wait_port "$NS_CLI" "$IP_SRV" 6379
check "both under the shim: redis-cli and redis-benchmark" redis_cli_shim
tap_done

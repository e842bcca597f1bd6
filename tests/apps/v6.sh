#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# Servers at [::] with clients of both families, and clients over IPv6, across the veth.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need nginx curl redis-server redis-cli redis-benchmark python3

net_up
ip -n "$NS_SRV" -6 addr show dev "$IF_SRV" | grep -q "$NET_SHIM_SRV6" || skip_all "no IPv6 here"
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
		listen [::]:8080 ipv6only=off;
		root $work/www;
		dav_methods PUT;
		client_max_body_size 100m;
	}
}
CONF

# as CLI URL-HOST: both files come as they are, and one goes.
files() {
	local f
	for f in 612 20m; do
		"$1" curl -gsf "http://$2:8080/$f" | cmp - "$work/www/$f" || return 1
	done
	"$1" curl -gsf -T "$work/www/20m" "http://$2:8080/put" && cmp "$work/www/20m" "$work/www/put"
}

# untouched NAMESPACE COMMAND...: the kernel there sees none of it.
untouched() {
	local ns=$1 before after
	shift
	tcp_settled "$ns" || return 1
	before=$(tcp_in "$ns")
	"$@" || return 1
	after=$(tcp_in "$ns")
	echo "segments in: $before -> $after"
	[ "$before" = "$after" ]
}

# While clients of both families are busy: ss shows none of them, shimstat all.
proof() {
	local a b kernel
	cli redis-benchmark -h "$IP_SRV" -c 20 -n 100000 -t get -q >/dev/null 2>&1 &
	a=$!
	cli redis-benchmark -h "$NET_SHIM_SRV6" -c 20 -n 100000 -t get -q >/dev/null 2>&1 &
	b=$!
	sleep 1
	kernel=$(ip netns exec "$NS_SRV" ss -Htn state established "sport = :6379" | wc -l)
	"$SHIMSTAT" -c "$pid" >"$work/conns"
	wait $a $b
	echo "kernel connections: $kernel"
	[ "$kernel" = 0 ] && [ "$(grep -cF "$1" "$work/conns")" -ge 20 ] &&
		[ "$(grep -cF "[$NET_SHIM_SRV6]:6379" "$work/conns")" -ge 20 ]
}

srv nginx nginx -c "$work/nginx.conf"
nginx_pid=$pid
check "nginx at [::] starts" wait_port "$NS_CLI" "$NET_SHIM_SRV6" 8080
check "it is accelerated" accelerated nginx
check "IPv6: files both ways" untouched "$NS_SRV" files cli "[$NET_SHIM_SRV6]"
check "IPv4: files both ways" untouched "$NS_SRV" files cli "$IP_SRV"
check "IPv6, both under the shim" untouched "$NS_CLI" files cli_shim "[$NET_SHIM_SRV6]"
check "localhost, IPv6, by the kernel's door" \
	ip netns exec "$NS_SRV" curl -gsf -o /dev/null "http://[::1]:8080/612"
end_pid "$nginx_pid" QUIT

srv redis redis-server --port 6379 --bind '*' '::*' --protected-mode no --save "" --dir "$work"
redis_pid=$pid
check "redis at both starts" wait_port "$NS_CLI" "$NET_SHIM_SRV6" 6379
check "ss shows no connection, shimstat all" proof "$IP_SRV:6379"
check "redis-cli over IPv6, both under the shim" untouched "$NS_CLI" \
	cli_shim redis-cli -h "$NET_SHIM_SRV6" ping
end_pid "$redis_pid"

srv_kernel "$NS_SRV" nginx nginx -c "$work/nginx.conf"
nginx_pid=$pid
check "nginx on the kernel starts" wait_port "$NS_CLI" "$NET_SHIM_SRV6" 8080
check "curl under the shim, IPv6" untouched "$NS_CLI" files cli_shim "[$NET_SHIM_SRV6]"
end_pid "$nginx_pid" QUIT
tap_done

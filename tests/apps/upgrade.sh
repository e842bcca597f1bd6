#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 110
#
# Servers that hand their listeners to a successor while they are under load: nginx upgrades its
# binary (SIGUSR2), haproxy's master execs itself (SIGUSR2), haproxy takes sockets over (-x, -sf).
# A connection per request; no request may fail that the kernel would have served.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need nginx wrk haproxy python3

net_up || exit 1
new=
mkdir -p "$work/www" "$work/tmp"
chmod -R 777 "$work"
head -c 612 /dev/urandom >"$work/www/612"

nginx_conf() { # nginx_conf [ENV]: which variables the new binary gets (nginx clears them)
	cat >"$work/nginx.conf" <<CONF
user www-data;
worker_processes 2;
pid $work/nginx.pid;
error_log $work/error.log warn;
$1
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path $work/tmp/b; proxy_temp_path $work/tmp/p;
	fastcgi_temp_path $work/tmp/f; uwsgi_temp_path $work/tmp/u; scgi_temp_path $work/tmp/s;
	server { listen $IP_SRV:8080 backlog=1024; root $work/www; }
}
CONF
}

load() { # load PORT SECONDS: in the background, a connection per request
	cli wrk -t 1 -c 8 -d "$2" --timeout 5s -H 'Connection: close' "http://$IP_SRV:$1/612" \
		>"$work/wrk" 2>&1 &
	loader=$!
}

load_clean() { # served a lot, and nothing failed
	wait "$loader"
	cat "$work/wrk"
	! grep -qE 'Socket errors|Non-2xx' "$work/wrk" &&
		[ "$(awk '/requests in/ { print $1 }' "$work/wrk")" -gt 500 ]
}

until_file() {
	for _ in $(seq 50); do
		[ -s "$1" ] && return 0
		sleep 0.1
	done
	return 1
}

daemon_ends() { # daemon_ends PID
	for _ in $(seq 80); do
		[ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "process $1 does not end"
	return 1
}

nginx_upgrade() {
	old=$(cat "$work/nginx.pid")
	kill -USR2 "$old"
	until_file "$work/nginx.pid.oldbin" && sleep 0.7 && until_file "$work/nginx.pid" || return 1
	new=$(cat "$work/nginx.pid") && [ "$new" != "$old" ] || return 1
	kill -WINCH "$old"
	sleep 0.7
	kill -QUIT "$old"
	daemon_ends "$old"
}

nginx_start() {
	rm -f "$work"/nginx.pid* "$work/error.log"
	srv nginx "$(command -v nginx)" -c "$work/nginx.conf"
	wait_port "$NS_CLI" "$IP_SRV" 8080 && until_file "$work/nginx.pid" && accelerated nginx
}
nginx_stop() {
	new=$(cat "$work/nginx.pid")
	kill -QUIT "$new"
	daemon_ends "$new"
}
in_family() { # in_family PID: its listener is the stack's
	"$SHIMSTAT" -v "$1" >"$work/verdicts" 2>&1
	cat "$work/verdicts"
	grep -q 'stack' "$work/verdicts"
}

nginx_conf "env LD_PRELOAD; env SHIM_IFACE; env SHIM_LOG;"
check "nginx under the shim" nginx_start
segs=$(kernel_tcp_in)
load 8080 5
sleep 1
check "nginx: its binary is upgraded under load" nginx_upgrade
check "nginx: no request failed" load_clean
check "nginx: the new binary's sockets are the stack's" in_family "$new"
segs=$(($(kernel_tcp_in) - segs))
check "nginx: the kernel had none of it ($segs segments)" [ "$segs" = 0 ]
check "nginx ends" nginx_stop
nginx_conf ""
check "nginx that clears its environment" nginx_start
check "nginx: its binary is upgraded to one without the shim" nginx_upgrade
load 8080 2
check "nginx: the new one serves as the kernel does" load_clean
check "nginx ends" nginx_stop

haproxy_conf() {
	cat >"$work/haproxy.cfg" <<CONF
global
	stats socket $work/haproxy.sock mode 600 expose-fd listeners level admin
	hard-stop-after 4s
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	timeout server 5s
frontend f
	bind $IP_SRV:8090
	http-request return status 200 content-type text/plain string ok
CONF
}
haproxy_conf
check_haproxy() { wait_port "$NS_CLI" "$IP_SRV" 8090 && accelerated haproxy; }

srv haproxy haproxy -W -f "$work/haproxy.cfg" -p "$work/haproxy.pid"
master=$pid
check "haproxy, master and worker, under the shim" check_haproxy
load 8090 5
sleep 1
check "haproxy: the master execs itself" kill -USR2 "$master"
sleep 1.5
check "haproxy: and again" kill -USR2 "$master"
check "haproxy: no request failed" load_clean
check "haproxy: the master's sockets are the stack's" in_family "$(pgrep -n -P "$master")"
check "haproxy ends" end_pid "$master"

# A successor from elsewhere is no member of the family: what it takes over is the kernel's.
haproxy_start() { # haproxy_start [ARGUMENTS]
	srv haproxy haproxy -f "$work/haproxy.cfg" "$@"
}
haproxy_start
old=$pid
check "haproxy alone, under the shim" check_haproxy
load 8090 4
sleep 1
haproxy_start -sf "$old" -x "$work/haproxy.sock"
check "haproxy: the one before leaves" daemon_ends "$old"
check "haproxy: no request failed" load_clean
check "haproxy ends" end_pid "$pid"
tap_done

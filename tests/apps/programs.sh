#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 200
# sanitizers: no
#
# Real programs with a client load of their own, a few seconds each: under the shim across a veth, where
# shimstat shows that the stack carried the connections and the kernel's TCP saw none, and once more
# with SHIM_IFACE=none, where every socket is the kernel's. What is not installed is left out.
#
#   programs.sh [NAME ...]      only these (memcached, node, haproxy, python, ...)
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
only=" $* "
net_up
mkdir -p "$work/www" "$work/tmp"
head -c 300000 /dev/urandom >"$work/www/file"
chmod -R a+rX "$work"
chmod 777 "$work/tmp"
way=
want=$(sha256sum <"$work/www/file")

# The server: srv in the way at hand.
start() { # start NAME PORT COMMAND...
	local name=$1 port=$2
	shift 2
	if [ $way = shim ]; then SHIM_ENV=${extra-}; else SHIM_ENV="${extra-} SHIM_IFACE=none"; fi
	srv "$name" "$@"
	SHIM_ENV=
	wait_port "$NS_CLI" "$IP_SRV" "$port" && return 0
	tail -n 5 "$work/$name.log"
	return 1
}

# What the stack has counted, over all families of this namespace's servers: connections, datagrams.
counted() { # counted PID COUNTER
	"$SHIMSTAT" --json "$1" | python3 -c '
import json, sys
def walk(x):
    if isinstance(x, dict):
        for k, v in x.items():
            if k == sys.argv[1] and isinstance(v, int): yield v
            else: yield from walk(v)
    elif isinstance(x, list):
        for v in x: yield from walk(v)
print(sum(walk(json.load(sys.stdin))))' "$2"
}

# row NAME PORT MIN LOAD -- COMMAND...: the server, its load, the proof that the stack carried at
# least MIN connections (or that with SHIM_IFACE=none it carried none), and that it ends in order.
row() {
	local name=$1 port=$2 min=$3 load=$4 before n ok=1 t0=$SECONDS
	shift 5
	[ "$only" = "  " ] || [[ $only == *" ${name%%:*} "* ]] || return 0
	command -v "$1" >/dev/null || [ -x "$1" ] || {
		echo "ok $((tap_n += 1)) - $name # SKIP $1 is not installed"
		return 0
	}
	start "${name//[^a-z0-9]/_}" "$port" "$@" >"$work/row" 2>&1 && {
		before=$(kernel_tcp_in)
		$load >>"$work/row" 2>&1 && ok=0
		[ $ok = 0 ] || echo "the load failed" >>"$work/row"
		n=0
		if [ $way = shim ]; then
			n=$(counted "$pid" tcp_conn_passive)
			echo "connections of the stack: $n" >>"$work/row"
			[ "$n" -ge "$min" ] || ok=1
			echo "segments into the kernel: $before -> $(kernel_tcp_in)" >>"$work/row"
		elif "$SHIMSTAT" --json "$pid" 2>/dev/null | grep -q '"state": *"ESTAB"'; then
			ok=1
		fi
		end_pid "$pid" "${end-TERM}" >>"$work/row" 2>&1 || ok=1
	}
	[ $ok = 0 ] || tail -n 15 "$work/row" "$work/${name//[^a-z0-9]/_}.log" | sed 's/^/# /'
	ok "$way: $name ($((SECONDS - t0)) s)" $ok
}

py() { cli python3 "$srcdir/tests/apps/programs.py" "$@"; }

memcached_load() { py memcached "$IP_SRV" 11211; }
node_load() {
	cli timeout 30 node "$srcdir/tests/apps/programs.js" "$IP_SRV" &&
		cli curl -sf --max-time 20 "http://$IP_SRV:8092/thread" | grep -q worker &&
		py http "$IP_SRV" 8090 20 4
}
http_load() { # a file over many connections, kept and not
	[ "$(cli curl -sf "http://$IP_SRV:$1/file" | sha256sum)" = "$want" ] &&
		py http "$IP_SRV" "$1" 20 10 file
}
haproxy_load() { http_load 8101; }
python_load() { py echo "$IP_SRV" 8094 && py echo "$IP_SRV" 8095 && py echo "$IP_SRV" 8096; }
apache_load() { http_load 8097; }
lighttpd_load() { http_load 8098; }
iperf3_load() {
	cli iperf3 -c "$IP_SRV" -p 5201 -t 1 -P 4 && cli iperf3 -c "$IP_SRV" -p 5201 -t 1 -R &&
		cli iperf3 -c "$IP_SRV" -p 5201 -t 1 -u -b 20M
}
socat_load() {
	[ "$(cli socat -u "TCP:$IP_SRV:8099" - | sha256sum)" = "$want" ] &&
		[ "$(cli socat -u "TCP:$IP_SRV:8099" - | sha256sum)" = "$want" ]
}
dnsmasq_load() { py dns "$IP_SRV" 5353; }
# TLS with http2, many streams on a connection and connections of their own; a proxy of HTTP and one of
# bytes, whose other side is on the kernel's loopback.
nginx_load() {
	local h2
	h2=$(cli curl -sfk --http2 -Z --parallel-max 30 -w '%{http_version}\n' -o /dev/null \
		"https://$IP_SRV:8111/file?[1-30]" | sort | uniq -c)
	echo "streams: $h2"
	[ "${h2//[[:space:]]/}" = 302 ] &&
		[ "$(cli curl -sfk "https://$IP_SRV:8111/file" | sha256sum)" = "$want" ] &&
		[ "$(cli curl -sfk --http1.1 --limit-rate 10M "https://$IP_SRV:8111/file" | sha256sum)" = "$want" ] &&
		http_load 8110 && http_load 8112 && py http "$IP_SRV" 8110 10 4 proxy/file
}
postgres_load() {
	cli "$pgbin/pgbench" -h "$IP_SRV" -p 5433 -U postgres -i -q -s 1 postgres &&
		cli "$pgbin/pgbench" -h "$IP_SRV" -p 5433 -U postgres -c 8 -j 2 -T 1 postgres &&
		cli "$pgbin/pgbench" -h "$IP_SRV" -p 5433 -U postgres -C -c 4 -t 5 postgres &&
		[ "$(seq 100000 | cli "$pgbin/psql" -h "$IP_SRV" -p 5433 -U postgres -qAt \
			-c 'create temp table t(i int)' -c '\copy t from stdin' \
			-c 'select sum(i) from t')" = 5000050000 ] &&
		cli "$pgbin/psql" "host=$IP_SRV port=5433 user=postgres sslmode=require" -Atc \
			"select ssl from pg_stat_ssl where pid = pg_backend_pid()" | grep -qx t
}

cat >"$work/haproxy.cfg" <<CONF
global
	nbthread 4
	maxconn 2000
defaults
	mode http
	timeout connect 5s
	timeout client 10s
	timeout server 10s
frontend f
	bind 0.0.0.0:8101
	default_backend b
backend b
	server s 127.0.0.1:8100
CONF
cat >"$work/apache.conf" <<CONF
ServerName test
ServerRoot $work
PidFile $work/apache.pid
Listen 0.0.0.0:8097
ErrorLog $work/apache.err
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
# Workers enough: else it closes connections that are kept open, natively, too.
KeepAliveTimeout 60
ThreadsPerChild 32
MaxRequestWorkers 64
StartServers 2
DocumentRoot $work/www
CONF
cat >"$work/nginx.conf" <<CONF
$(cat /usr/share/nginx/modules-available/mod-stream.conf 2>/dev/null)
user www-data;
worker_processes 4;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.err warn;
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	client_body_temp_path $work/tmp/b; proxy_temp_path $work/tmp/p;
	fastcgi_temp_path $work/tmp/f; uwsgi_temp_path $work/tmp/u; scgi_temp_path $work/tmp/s;
	server {
		listen 0.0.0.0:8110;
		listen 0.0.0.0:8111 ssl http2;
		ssl_certificate $work/server.crt;
		ssl_certificate_key $work/server.key;
		root $work/www;
		location /proxy/ { proxy_pass http://127.0.0.1:8100/; }
	}
}
stream {
	server { listen 0.0.0.0:8112; proxy_pass 127.0.0.1:8100; }
}
CONF
openssl req -new -x509 -nodes -subj /CN=test -out "$work/server.crt" -keyout "$work/server.key" 2>/dev/null
cat >"$work/lighttpd.conf" <<CONF
server.document-root = "$work/www"
server.port = 8098
server.bind = "0.0.0.0"
CONF
pgbin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
pgdata=$work/pg
as="setpriv --reuid nobody --clear-groups"
caps=+net_admin,+net_raw,+bpf,+perfmon,+ipc_lock
# Not there, and not asked for: nothing to set up.
if [ -n "$pgbin" ] && { [ "$only" = "  " ] || [[ $only == *" postgres "* ]]; }; then
	install -d -o nobody "$pgdata"
	$as "$pgbin/initdb" -N -A trust -U postgres --locale=C -D "$pgdata" >"$work/initdb.log" 2>&1 ||
		tail "$work/initdb.log"
	install -o nobody -m 600 "$work/server.crt" "$work/server.key" "$pgdata"
	echo "host all all 0.0.0.0/0 trust" >>"$pgdata/pg_hba.conf"
fi

# A plain server for haproxy to stand before.
srv_kernel "$NS_SRV" backend python3 "$srcdir/tests/apps/programs.py" backend "$work/www" 8100

for way in shim none; do
	row "memcached: 4 threads; text, binary, UDP" 11211 20 memcached_load -- \
		memcached -u root -t 4 -l 0.0.0.0 -p 11211 -U 11211
	row "node: http, http2, a worker thread" 8090 20 node_load -- \
		node "$srcdir/tests/apps/programs.js"
	row "node-cluster: two processes" 8093 10 "py http $IP_SRV 8093 10 4" -- \
		node "$srcdir/tests/apps/programs.js" cluster
	row "haproxy: 4 threads" 8101 20 haproxy_load -- haproxy -db -f "$work/haproxy.cfg"
	row "python: asyncio" 8094 10 "py echo $IP_SRV 8094" -- \
		python3 "$srcdir/tests/apps/programs.py" asyncio 8094
	row "python: threads" 8095 10 "py echo $IP_SRV 8095" -- \
		python3 "$srcdir/tests/apps/programs.py" threads 8095
	row "python: forked workers" 8096 10 "py echo $IP_SRV 8096" -- \
		python3 "$srcdir/tests/apps/programs.py" processes 8096
	row "apache: event MPM" 8097 20 apache_load -- apache2 -DFOREGROUND -f "$work/apache.conf"
	row "nginx: 4 workers; TLS, http2, a proxy of HTTP and of bytes" 8110 20 nginx_load -- \
		nginx -c "$work/nginx.conf"
	row "lighttpd" 8098 20 lighttpd_load -- lighttpd -D -f "$work/lighttpd.conf"
	row "iperf3: TCP both ways, UDP" 5201 8 iperf3_load -- iperf3 -s
	row "socat: a process for each connection" 8099 2 socat_load -- \
		socat -U TCP-LISTEN:8099,fork,reuseaddr "OPEN:$work/www/file,rdonly"
	row "dnsmasq: UDP and TCP" 5353 3 dnsmasq_load -- \
		dnsmasq --no-daemon --no-resolv --no-hosts --port=5353 --user=root \
		--address=/test/10.1.2.3 --listen-address="$IP_SRV" --bind-interfaces --conf-file=/dev/null
	end=INT row "postgres: pgbench, COPY, SSL" 5433 20 postgres_load -- \
		$as --inh-caps $caps --ambient-caps $caps \
		"${pgbin:-/nonexistent}/postgres" -D "$pgdata" -p 5433 -c listen_addresses=0.0.0.0 -c ssl=on \
		-c unix_socket_directories="$pgdata" -c fsync=off
done
tap_done

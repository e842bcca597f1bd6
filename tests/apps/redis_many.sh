#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
# sanitizers: no
#
# Several redis-servers, each under the shim on an interface of its own, then all with
# SHIM_IFACE=none: a replica across the veth (both ways of synchronising, the primary killed and
# back), an append-only file that is rewritten under load and read again, Lua, blocking commands,
# and a cluster of three with its bus, whose keys move from node to node.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need redis-server redis-cli redis-benchmark python3

net_up || exit 1
A=$IP_SRV B=$IP_CLI C=$NET_KERN_SRV # the third is in the server's namespace, on another interface
declare -A pids
way=

# up NAME NAMESPACE INTERFACE ADDRESS PORT ARGUMENTS...
up() {
	local name=$1 ns=$2 dev=$3 addr=$4 port=$5
	shift 5
	[ $way = shim ] || dev=none
	mkdir -p "$work/$name"
	srv_kernel "$ns" "$name" env SHIM_LOG=info SHIM_IFACE="$dev" LD_PRELOAD="$LIBSHIM" redis-server \
		--bind 0.0.0.0 --port "$port" --protected-mode no --save "" --dir "$work/$name" \
		--enable-debug-command yes --repl-diskless-sync-delay 0 "$@"
	pids[$name]=$pid
	wait_port "$ns" "$addr" "$port" && { [ $way = none ] || accelerated "$name"; }
}
down() {
	local n
	for n; do end_pid "${pids[$n]}" || return 1; done
}
rc() { # rc ADDRESS PORT COMMAND...
	ip netns exec "$NS_CLI" timeout 20 redis-cli -h "$1" -p "$2" "${@:3}"
}
soon() { # soon COMMAND...: within ten seconds
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	"$@"
}
told() { rc "$1" "$2" info | tr -d '\r' | grep -qx "$3"; }
same_data() { [ "$(rc "$A" 6379 debug digest)" = "$(rc "$B" 6379 debug digest)" ]; }
# counted NAME COUNTER MIN: the family of that server has counted so many.
counted() {
	local n
	[ $way = shim ] || return 0
	n=$("$SHIMSTAT" --json "${pids[$1]}" | python3 -c '
import json, sys
print(sum(s["counters"].get(sys.argv[1], 0) for f in json.load(sys.stdin)["families"]
	for s in f["stacks"]))' "$2")
	echo "$1: $2 is $n"
	[ "$n" -ge "$3" ]
}

replicates() {
	rc "$A" 6379 eval "for i=1,2000 do redis.call('set', 'k'..i, string.rep('x', i)) end" 0 &&
		rc "$B" 6379 replicaof "$A" 6379 &&
		soon told "$B" 6379 master_link_status:up &&
		cli redis-benchmark -h "$A" -c 20 -n 6000 -r 5000 -d 200 -q -t set,lpush &&
		[ "$(rc "$A" 6379 wait 1 5000)" = 1 ] && soon same_data &&
		counted b tcp_conn_active 1 && counted a tcp_conn_passive 21
}
# The connection of the replica is cut: it goes on from where it was.
resumes() {
	local n
	rc "$A" 6379 client kill type replica
	cli redis-benchmark -h "$A" -c 10 -n 3000 -r 5000 -d 200 -q -t set
	soon told "$B" 6379 master_link_status:up && soon same_data || return 1
	n=$(rc "$A" 6379 info stats | tr -d '\r' | sed -n 's/^sync_partial_ok://p')
	echo "partial: $n"
	[ "$n" -ge 1 ]
}
scripts() {
	local sha
	sha=$(rc "$A" 6379 script load "return {KEYS[1], ARGV[1], redis.call('incrby', KEYS[1], ARGV[1])}")
	[ "$(rc "$A" 6379 evalsha "$sha" 1 n 42 | tr '\n' ' ')" = "n 42 42 " ] &&
		[ "$(rc "$A" 6379 eval 'return #redis.call("keys", "*")' 0)" -gt 2000 ]
}
# Who blocks is served by who pushes, and by nobody in time.
blocks() {
	local b
	rc "$A" 6379 brpop queue 10 >"$work/popped" &
	b=$!
	sleep 0.3
	rc "$A" 6379 lpush queue thing
	wait $b
	[ "$(tr '\n' ' ' <"$work/popped")" = "queue thing " ] && [ -z "$(rc "$A" 6379 brpop queue 0.2)" ]
}
# Every write synced, rewritten by a child while clients go on; a new server reads it to the same.
append_only() {
	local b before
	rc "$A" 6379 config set appendonly yes
	soon told "$A" 6379 aof_rewrite_in_progress:0
	cli redis-benchmark -h "$A" -c 20 -n 10000 -r 5000 -q -t set,incr >"$work/load" 2>&1 &
	b=$!
	rc "$A" 6379 bgrewriteaof
	wait $b || return 1
	soon told "$A" 6379 aof_rewrite_in_progress:0 && told "$A" 6379 aof_last_bgrewrite_status:ok || return 1
	before=$(rc "$A" 6379 debug digest)
	kill -KILL "${pids[a]}"
	wait "${pids[a]}" 2>/dev/null
	up a "$NS_SRV" "$IF_SRV" "$A" 6379 --appendonly yes || return 1
	soon told "$A" 6379 loading:0
	[ "$(rc "$A" 6379 debug digest)" = "$before" ]
}
returns() { soon told "$B" 6379 master_link_status:up && soon same_data; }

cluster_forms() {
	rc "$A" 7000 --cluster create "$A:7000" "$B:7000" "$C:7001" --cluster-yes &&
		soon told_cluster "$A" 7000 && soon told_cluster "$B" 7000 && soon told_cluster "$C" 7001
}
told_cluster() { rc "$1" "$2" cluster info | tr -d '\r' | grep -qx cluster_state:ok; }
cluster_serves() {
	cli redis-benchmark --cluster -h "$A" -p 7000 -c 12 -n 8000 -r 5000 -q -t set,get >"$work/load" 2>&1 ||
		return 1
	cat "$work/load"
	! grep -qi err "$work/load" &&
		[ "$(rc "$A" 7000 -c set foo bar)" = OK ] && [ "$(rc "$C" 7001 -c get foo)" = bar ]
}
moves_slots() {
	local from to
	from=$(rc "$B" 7000 cluster myid)
	to=$(rc "$A" 7000 cluster myid)
	rc "$A" 7000 --cluster reshard "$A:7000" --cluster-from "$from" --cluster-to "$to" \
		--cluster-slots 300 --cluster-yes >"$work/reshard" 2>&1 || return 1
	# The others are told by the bus, in the next seconds.
	soon rc "$C" 7001 --cluster check "$C:7001" && [ "$(rc "$C" 7001 -c get foo)" = bar ]
}
bus_is_carried() {
	counted n1 tcp_conn_passive 10 && counted n2 tcp_conn_passive 1 &&
	counted n3 tcp_conn_passive 10 && counted n2 tcp_conn_active 1
}

for way in shim none; do
	rm -rf "$work"/[abn]*
	check "$way: a primary" up a "$NS_SRV" "$IF_SRV" "$A" 6379
	check "$way: another across the veth" up b "$NS_CLI" "$IF_CLI" "$B" 6379
	check "$way: becomes its replica, and has what it has" replicates
	check "$way: goes on when the connection was cut" resumes
	check "$way: scripts" scripts
	check "$way: commands that block" blocks
	check "$way: an append-only file is rewritten under load, and read" append_only
	check "$way: the replica finds the primary again" returns
	check "$way: they end" down a b
	cluster=(--cluster-enabled yes --cluster-node-timeout 5000)
	check "$way: a node" up n1 "$NS_SRV" "$IF_SRV" "$A" 7000 "${cluster[@]}" --cluster-announce-ip "$A"
	check "$way: a second" up n2 "$NS_CLI" "$IF_CLI" "$B" 7000 "${cluster[@]}" --cluster-announce-ip "$B"
	check "$way: a third" up n3 "$NS_SRV" kern0 "$C" 7001 "${cluster[@]}" --cluster-announce-ip "$C"
	check "$way: are a cluster" cluster_forms
	check "$way: serve keys wherever they are" cluster_serves
	check "$way: keys move from one to another" moves_slots
	check "$way: the stack had it" bus_is_carried
	check "$way: they end" down n1 n2 n3
done
tap_done

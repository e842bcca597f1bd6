#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
# Several stacks: four on one queue, two on two. Connections are spread over them and none is lost,
# though workers come, go and are killed; datagrams too.
#
# What is bounded: connections are on their stacks by a hash, and on the listeners of workers that
# have one each (SO_REUSEPORT), and both are even whoever runs when. Of workers that share a listener
# the one whose own stack it is is woken, so that who accepts is even, too, once each waits; but who
# happens to run may take it first, as on the kernel, which on a busy machine is the scheduler's to
# say: therefore there is more than one try.
# shellcheck source=tests/apps/lib.sh disable=SC2154,SC2046
. "$(dirname "$0")/../apps/lib.sh"
need python3 ethtool
net_up || exit 1
py=$srcdir/tests/net/stacks.py
count=${STACKS_CONNS:-1600} # 20 % of a quarter of them are 4.6 standard deviations
ulimit -n 8192

# per_stack FIELD PID: the numbers of the stacks, one each.
per_stack() {
	"$SHIMSTAT" --json "$2" | python3 -c '
import json, sys
for s in json.load(sys.stdin)["families"][0]["stacks"]:
	print(len(s[sys.argv[1]]) if sys.argv[1] == "connections" else s["counters"][sys.argv[1]])' "$1"
}

# even N MOST NUMBERS...: there are N, none further than MOST per cent from the mean.
even() {
	local n=$1 most=$2
	shift 2
	echo "of $n: $*"
	python3 -c '
import sys
n, most, v = int(sys.argv[1]), int(sys.argv[2]), [int(x) for x in sys.argv[3:]]
mean = sum(v) / max(len(v), 1)
sys.exit(len(v) != n or not mean or max(abs(x - mean) for x in v) > mean * most / 100)' \
		"$n" "$most" "$@"
}

attended() { # attended PID N: of N stacks each is some worker's own, within 20 s
	for _ in $(seq 200); do
		[ "$("$SHIMSTAT" -s "$1" | grep -c 'attendants 1 ')" = "$2" ] && return 0
		sleep 0.1
	done
	"$SHIMSTAT" -s "$1"
	return 1
}

# accepts NAME PORT N: who shares a listener accepts evenly, in one of three tries
accepts() {
	local i
	for i in 1 2 3; do
		hold "$1.$i" "$2" 1 || return 1
		exec 9>&-
		even "$3" 20 $(workers "$1.$i") && return 0
	done
	return 1
}

# hold NAME PORT ROUNDS: opens connections, and goes on when told to by a line on descriptor 9.
hold() {
	rm -f "$work/go"
	mkfifo "$work/go"
	cli python3 "$py" hold "$IP_SRV" "$2" "$count" "$3" <"$work/go" >"$work/$1" 2>&1 &
	exec 9>"$work/go"
	said "$1" '"round": 0'
}

said() { # said FILE PATTERN: it does, within 90 s
	for _ in $(seq 900); do
		grep -q "$2" "$work/$1" && return 0
		sleep 0.1
	done
	cat "$work/$1"
	return 1
}

field() { sed -n "s/.*\"round\": $2, \"lost\": \([0-9]*\),.*/\1/p" "$work/$1"; }
workers() {
	sed -n '1s/.*"workers": {\(.*\)}}/\1/p' "$work/$1" | tr ',' '\n' | sed 's/.*: //'
}
accepted() { sed -n "1s/.*[{ ]\"$2\": \([0-9]*\)[,}].*/\1/p" "$work/$1"; } # by that worker
resets() { per_stack tcp_rst_sent "$1" | awk '{ n += $1 } END { print n + 0 }'; }

# spread NAME STACKS QUEUES PORT
spread() {
	local name=$1 n=$2 queues=$3 port=$4 master kid
	SHIM_ENV="SHIM_STACKS=$n" srv "$name" python3 "$py" serve "$port" "$n"
	master=$pid
	wait_port "$NS_CLI" "$IP_SRV" "$port"
	check "$name: they are accelerated" accelerated "$name"
	check "$name: on $queues queues" bash -c "'$SHIMSTAT' -d $master | grep -c 'queues $queues ' |
		grep -qx $n"
	check "$name: each worker has a stack" attended "$master" "$n"
	check "$name: and accepts what comes to it" accepts "$name.try" "$port" "$n"
	hold "$name.hold" "$port" 4
	check "$name: connections are within 20 % of even" \
		even "$n" 20 $(per_stack connections "$master")
	echo >&9
	said "$name.hold" '"round": 1'
	check "$name: none is lost" [ "$(field "$name.hold" 1)" = 0 ]
	check "$name: or reset" [ "$(resets "$master")" = 0 ]
	kid=$(sed -n 's/^workers \([0-9]*\) .*/\1/p' "$work/$name.log")
	kill -KILL "$kid"
	said "$name.log" 'worker again'
	sleep 1.5
	echo >&9
	said "$name.hold" '"round": 2'
	check "$name: a killed worker takes its own along, and no more" \
		[ "$(field "$name.hold" 2)" = "$(accepted "$name.hold" 0)" ]
	echo >&9
	said "$name.hold" '"round": 3'
	check "$name: the others go on" [ "$(field "$name.hold" 3)" = "$(field "$name.hold" 2)" ]
	exec 9>&-
	check "$name: another worker has its stack" attended "$master" "$n"
	check "$name: and is served alike" accepts "$name.again" "$port" "$n"
	end_pid "$master"
}

# each NAME STACKS PORT: likewise with a listener for each worker
each() {
	local name=$1 n=$2 port=$3 master
	SHIM_ENV="SHIM_STACKS=$n" srv "$name" python3 "$py" each "$port" "$n"
	master=$pid
	for _ in $(seq 300); do
		[ "$(grep -c '^listens' "$work/$name.log")" = "$n" ] && break
		sleep 0.1
	done
	hold "$name.hold" "$port" 1
	check "$name: with a listener each, connections are within 20 % of even" \
		even "$n" 20 $(per_stack connections "$master")
	check "$name: and so is who accepts them" even "$n" 20 $(workers "$name.hold")
	exec 9>&-
	end_pid "$master"
}

spread four 4 1 7000
each four-each 4 7010

for ns in "$NS_SRV" "$NS_CLI"; do
	ip -n "$ns" link del kern0 2>/dev/null
done
ip -n "$NS_SRV" link del shim0
ip link add shim0 netns "$NS_SRV" numrxqueues 2 numtxqueues 2 type veth \
	peer name shim0 netns "$NS_CLI" numrxqueues 2 numtxqueues 2
on_srv ip addr add "$IP_SRV/24" dev shim0
on_cli ip addr add "$IP_CLI/24" dev shim0
on_srv ip link set shim0 up
on_cli ip link set shim0 up
sleep 0.5
spread two 2 2 7001
each two-each 2 7011

# Datagrams: the sockets of a port are on one stack, whoever's they are.
SHIM_ENV="SHIM_STACKS=4" srv udp python3 "$py" udp 7002 4
master=$pid
said udp.log '^workers'
sleep 0.5
cli python3 "$py" ask "$IP_SRV" 7002 200 >"$work/ask"
check "datagrams are answered" grep -q '"answers": 200' "$work/ask"
check "through the stack" accelerated udp
end_pid "$master"

# A port that listens on all of them, and is connected from on one: flows come before the hash.
srv_kernel "$NS_CLI" echo python3 "$py" echo "$IP_CLI" 7200 24
wait_port "$NS_CLI" "$IP_CLI" 7223
SHIM_ENV="SHIM_STACKS=4" srv both python3 "$py" both "$IP_SRV" 7003 "$IP_CLI" 7200 24
wait "$pid"
check "connections from a port that listens come to the stack that opened them" \
	grep -q '"answers": 24' "$work/both.log"
check "through the stack, all of them" \
	bash -c "[ \$(grep -c 'fd [0-9]*: stack' '$work/both.log') = 25 ]"

SHIM_ENV="SHIM_STACKS=0" srv wrong true
wait "$pid"
check "a number that makes no sense is refused" grep -q 'SHIM_STACKS' "$work/wrong.log"
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
# Several stacks: four on one queue, two on two. Connections are spread over them and none is lost,
# though workers come, go and are killed; a worker accepts what its own stack has; datagrams too.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/../apps/lib.sh"
need python3 ethtool
net_up || exit 1
py=$srcdir/tests/net/stacks.py
count=${STACKS_CONNS:-1000}
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

# hold NAME PORT ROUNDS: opens connections, and goes on when told to by a line on descriptor 9.
hold() {
	rm -f "$work/go"
	mkfifo "$work/go"
	cli python3 "$py" hold "$IP_SRV" "$2" "$count" "$3" <"$work/go" >"$work/$1" 2>&1 &
	exec 9>"$work/go"
	said "$1" '"round": 0'
}

said() { # said FILE PATTERN: it does, within 30 s
	for _ in $(seq 300); do
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
	hold "$name.hold" "$port" 4
	check "$name: connections are within 20 % of even" \
		even "$n" 20 $(per_stack connections "$master")
	# A worker takes from the others' stacks, too, when it has the processor and they have not.
	check "$name: and who accepted them nearly" even "$n" 60 $(workers "$name.hold")
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
	check "$name: a killed worker takes its own along, and no more" python3 -c '
import sys
lost, mean = int(sys.argv[1]), int(sys.argv[2]) / int(sys.argv[3])
print(lost, mean)
sys.exit(not mean * 0.7 < lost < mean * 1.3)' "$(field "$name.hold" 2)" "$count" "$n"
	echo >&9
	said "$name.hold" '"round": 3'
	check "$name: the others go on" [ "$(field "$name.hold" 3)" = "$(field "$name.hold" 2)" ]
	exec 9>&-
	hold "$name.again" "$port" 1
	check "$name: another worker in its place is served alike" \
		even "$n" 60 $(workers "$name.again")
	exec 9>&-
	end_pid "$master"
}

spread four 4 1 7000

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

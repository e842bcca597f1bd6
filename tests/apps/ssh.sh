#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
# sanitizers: no
#
# OpenSSH: sshd, which execs itself for each connection, passes it to a child in a seccomp sandbox
# and then to one that is the user's; commands, files both ways by sftp and scp, forwarded ports. On
# the stack by the server's count, then the client, then with SHIM_IFACE=none.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need sshd ssh scp sftp ssh-keygen curl python3

net_up || exit 1
port=2222
mkdir -p /run/sshd "$work/www"
ssh-keygen -q -t ed25519 -N "" -f "$work/host" && ssh-keygen -q -t ed25519 -N "" -f "$work/key" &&
	cp "$work/key.pub" "$work/authorized" || exit 1
head -c 4000000 /dev/urandom >"$work/file"
want=$(sha256sum <"$work/file")
cat >"$work/sshd.conf" <<CONF
Port $port
ListenAddress 0.0.0.0
HostKey $work/host
AuthorizedKeysFile $work/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 50
Subsystem sftp internal-sftp
CONF
cat >"$work/ssh.conf" <<CONF
Host *
	User root
	Port $port
	IdentityFile $work/key
	IdentitiesOnly yes
	StrictHostKeyChecking no
	UserKnownHostsFile /dev/null
	BatchMode yes
	LogLevel ERROR
	ConnectTimeout 10
	ControlPath none
CONF
run=cli # or cli_shim: who runs the client

command_runs() {
	local out
	out=$($run ssh -F "$work/ssh.conf" "$IP_SRV" 'cat; echo err >&2; exit 7' <<<hello 2>"$work/err")
	[ $? = 7 ] && [ "$out" = hello ] && grep -qx err "$work/err"
}
bytes_in() { [ "$($run ssh -F "$work/ssh.conf" "$IP_SRV" sha256sum <"$work/file")" = "$want" ]; }
sftp_both() {
	rm -f "$work/up" "$work/down"
	$run sftp -q -F "$work/ssh.conf" -b - "$IP_SRV" <<-CMD || return 1
		put $work/file $work/up
		get $work/up $work/down
	CMD
	cmp "$work/file" "$work/up" && cmp "$work/file" "$work/down"
}
scp_both() {
	rm -f "$work/up" "$work/down"
	$run scp -q -O -F "$work/ssh.conf" "$work/file" "$IP_SRV:$work/up" &&
		$run scp -q -O -F "$work/ssh.conf" "$IP_SRV:$work/up" "$work/down" &&
		cmp "$work/file" "$work/up" && cmp "$work/file" "$work/down"
}
several() {
	local i pids=()
	for i in 1 2 3 4 5 6; do
		$run ssh -F "$work/ssh.conf" "$IP_SRV" "echo $i; exec cat '$work/file'" >"$work/out$i" &
		pids+=($!)
	done
	wait_all "${pids[@]}" || return 1
	for i in 1 2 3 4 5 6; do
		{ echo "$i" && cat "$work/file"; } | cmp - "$work/out$i" || return 1
	done
}
wait_all() {
	local p
	for p; do wait "$p" || return 1; done
}
# Both forwardings at once: -L by the server to a server on its loopback, -R back to one here.
forwarded() {
	local s ret=1
	$run ssh -F "$work/ssh.conf" -N -o ExitOnForwardFailure=yes -L 127.0.0.1:7001:127.0.0.1:7100 \
		-R 127.0.0.1:7002:127.0.0.1:7100 "$IP_SRV" 2>"$work/forward.log" &
	s=$!
	wait_port "$NS_CLI" 127.0.0.1 7001 && wait_port "$NS_SRV" 127.0.0.1 7002 &&
		[ "$(cli curl -sf http://127.0.0.1:7001/file | sha256sum)" = "$want" ] &&
		[ "$(on_srv curl -sf http://127.0.0.1:7002/file | sha256sum)" = "$want" ] && ret=0
	kill "$s" 2>/dev/null
	wait "$s"
	return $ret
}
carried() { # carried MIN: so many connections
	local n
	n=$("$SHIMSTAT" --json "$sshd" | python3 -c '
import json, sys
print(sum(s["counters"].get("tcp_conn_passive", 0) for f in json.load(sys.stdin)["families"]
	for s in f["stacks"]))')
	echo "connections of the stack: $n"
	[ "$n" -ge "$1" ]
}
all_of_it() {
	check "$1: a command, its output, errors and status" command_runs
	check "$1: 4 MB into a command" bytes_in
	check "$1: sftp both ways" sftp_both
	check "$1: scp both ways" scp_both
	check "$1: six at once" several
}

cp "$work/file" "$work/www/file"
srv_kernel "$NS_SRV" www_srv python3 -m http.server 7100 --bind 127.0.0.1 --directory "$work/www"
srv_kernel "$NS_CLI" www_cli python3 -m http.server 7100 --bind 127.0.0.1 --directory "$work/www"
srv sshd "$(command -v sshd)" -D -e -f "$work/sshd.conf"
sshd=$pid
check "sshd under the shim" wait_port "$NS_CLI" "$IP_SRV" $port
segs=$(kernel_tcp_in)
all_of_it "sshd on the stack"
segs=$(($(kernel_tcp_in) - segs))
check "the kernel had none of it ($segs segments)" [ "$segs" = 0 ]
check "ports forwarded both ways" forwarded
check "the stack had the connections" carried 12
run=cli_shim
check "ssh under the shim: a command, its output, errors and status" command_runs
check "ssh under the shim: scp both ways" scp_both
check "sshd ends" end_pid "$sshd"
run=cli
SHIM_ENV=SHIM_IFACE=none
srv fallback "$(command -v sshd)" -D -e -f "$work/sshd.conf"
check "sshd with SHIM_IFACE=none" wait_port "$NS_CLI" "$IP_SRV" $port
check "with SHIM_IFACE=none: a command, its output, errors and status" command_runs
check "with SHIM_IFACE=none: sftp both ways" sftp_both
check "it ends" end_pid "$pid"
tap_done

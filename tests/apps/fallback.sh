#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
#
# Where nothing can be accelerated the same commands work on the kernel's sockets, and one line says
# why: no privileges, no interface, no BPF, no AF_XDP, no memlock, an XDP program in the way, the queue taken, a wrong knob.
# shellcheck source=tests/apps/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
need redis-server redis-cli redis-benchmark setpriv python3

net_up
port=6379

# fallback NAME PATTERN ENV... -- PREFIX...: redis serves, and exactly one line matches the pattern.
fallback() {
	local pattern=$1 env=() lines r=1
	shift
	while [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	shift
	ip netns exec "$NS_SRV" "$@" env "SHIM_IFACE=$IF_SRV" "${env[@]}" LD_PRELOAD="$LIBSHIM" \
		redis-server --port $port --bind 0.0.0.0 --protected-mode no --save "" \
		>"$work/out" 2>"$work/err" &
	pid=$!
	server_pids+=("$pid")
	if wait_port "$NS_CLI" "$IP_SRV" $port &&
		cli redis-benchmark -h "$IP_SRV" -p $port -c 10 -n 5000 -t set,get -q >/dev/null; then
		lines=$(grep -c '^libshim' "$work/err")
		if [ "$lines" = 1 ] && grep -Eq "^libshim.*($pattern)" "$work/err"; then
			r=0
		fi
	fi
	[ $r = 0 ] || cat "$work/err"
	end_pid $pid || r=1
	return $r
}

nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all)

check "no privileges: serves on the kernel and says so" \
	fallback 'CAP_NET' -- "${nobody[@]}"
# deny CALL ARGUMENT ERRNO COMMAND...: runs it where that system call, with that first argument (-1: with
# any), fails so.
cat >"$work/deny" <<'PY'
import ctypes, os, struct, sys
nr, arg, err = map(int, sys.argv[1:4])
ld, jeq, ret = 0x20, 0x15, 0x06
prog = [(ld, 0, 0, 0), (jeq, 0, 3, nr), (ld, 0, 0, 16), (jeq, 0, 1, max(arg, 0)),
        (ret, 0, 0, 0x50000 | err), (ret, 0, 0, 0x7fff0000)]
if arg < 0:
    prog[2:4] = [(ld, 0, 0, 0), (jeq, 0, 1, nr)]
code = b"".join(struct.pack("HBBI", *i) for i in prog)
buf = ctypes.create_string_buffer(code)
fprog = struct.pack("HxxxxxxQ", len(prog), ctypes.addressof(buf))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_char_p(fprog), 0, 0) == 0, ctypes.get_errno()
os.execvp(sys.argv[4], sys.argv[4:])
PY
python=$(python3 -c 'import sys; print(sys.executable)')
bpf=$(python3 -c 'import platform; print({"x86_64": 321, "aarch64": 280}[platform.machine()])')
socket=$(python3 -c 'import platform; print({"x86_64": 41, "aarch64": 198}[platform.machine()])')
caps=+net_admin,+net_raw,+bpf,+ipc_lock
check "a capability that is missing: serves on the kernel and names it" \
	fallback 'CAP_PERFMON' -- setpriv --reuid 65534 --regid 65534 --clear-groups \
	--inh-caps $caps --ambient-caps $caps
check "no BPF: serves on the kernel and says so" \
	fallback 'steering program' -- "$python" "$work/deny" "$bpf" -1 38
check "no AF_XDP: serves on the kernel and says so" \
	fallback 'AF_XDP' -- "$python" "$work/deny" "$socket" 44 97
check "no such interface: serves on the kernel and says so" \
	fallback 'SHIM_IFACE|interface' SHIM_IFACE=nosuch0 --
check "memlock too small: serves on the kernel and says so" \
	fallback 'MEMLOCK' -- setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock \
	prlimit --memlock=65536:65536
check "a wrong knob is named with the nearest right one" \
	fallback 'SHIM_SPINUS.*SHIM_SPIN_US' SHIM_SPINUS=5 --
check "a wrong value is named with the range" \
	fallback 'SHIM_SPIN_US.*1000000' SHIM_SPIN_US=99999999 --

kernel_only() {
	fallback_quiet SHIM_IFACE=none
}

fallback_quiet() {
	local r=1
	ip netns exec "$NS_SRV" env "$@" LD_PRELOAD="$LIBSHIM" \
		redis-server --port $port --bind 0.0.0.0 --protected-mode no --save "" \
		>"$work/out" 2>"$work/err" &
	pid=$!
	server_pids+=("$pid")
	wait_port "$NS_CLI" "$IP_SRV" $port &&
		cli redis-benchmark -h "$IP_SRV" -p $port -c 10 -n 5000 -t set,get -q >/dev/null && r=0
	[ -s "$work/err" ] && { cat "$work/err"; r=1; }
	end_pid $pid || r=1
	return $r
}
check "SHIM_IFACE=none: kernel sockets, no word" kernel_only

taken() {
	local first r=1
	srv first redis-server --port 6380 --bind 0.0.0.0 --protected-mode no --save ""
	first=$pid
	wait_port "$NS_CLI" "$IP_SRV" 6380 && fallback 'queue|XDP program' -- && r=0
	[ "$(cli redis-cli -h "$IP_SRV" -p 6380 ping)" = PONG ] || r=1
	end_pid "$first" || r=1
	return $r
}
check "the queue is another family's: the second serves on the kernel, the first goes on" taken
tap_done

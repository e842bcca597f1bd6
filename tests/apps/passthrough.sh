#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 600
# Programs that are no servers, and servers that have no interface to serve (SHIM_IFACE=none): run
# natively and preloaded, they must print the same, to both outputs, and end with the same status.
# Not run where a program is not installed. Any network it uses is a namespace of its own.
set -u
: "${srcdir:?}" "${builddir:?}"
lib=${LIB_UNDER_TEST:-$builddir/.libs/libshim.so}
[ -f "$lib" ] || { echo "SKIP: $lib is not built"; exit 77; }
if [ "$(id -u)" = 0 ] && [ -z "${PASSTHROUGH_NETNS-}" ]; then
	LIB_UNDER_TEST=$lib PASSTHROUGH_NETNS=1 exec unshare -n "$0" "$@"
fi
[ "$(id -u)" = 0 ] && ip link set lo up
here=$srcdir/tests/apps
export SHIM_IFACE=none LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset LD_PRELOAD LIB_UNDER_TEST

tmp=$(mktemp -d)
pids=
cleanup() {
	for p in $pids; do kill "$p" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

n=0 bad=0
result() { # status name
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; bad=1; fi
}
skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}
has() { command -v "$1" >/dev/null 2>&1; }

# run SIDE SHELL-COMMAND: in an empty directory, with the preload on the side "ours". The shell is
# not preloaded, its commands are: $PRE stands in front of each.
run() {
	rm -rf "$tmp/cwd"
	mkdir "$tmp/cwd"
	(
		cd "$tmp/cwd" || exit 99
		HOME=$tmp/cwd
		PRE='env'
		[ "$1" = ours ] && PRE="env LD_PRELOAD=${PRELOAD:-$lib}"
		export HOME PRE lib here tmp
		timeout 120 bash -c "$2" >"$tmp/$1.out" 2>"$tmp/$1.err" <"${INPUT:-/dev/null}"
		echo $? >"$tmp/$1.status"
	)
}

# same NAME SHELL-COMMAND
same() {
	run native "$2"
	run ours "$2"
	if cmp -s "$tmp/native.out" "$tmp/ours.out" && cmp -s "$tmp/native.err" "$tmp/ours.err" &&
		cmp -s "$tmp/native.status" "$tmp/ours.status"; then
		result 0 "$1"
	else
		for f in status out err; do
			diff "$tmp/native.$f" "$tmp/ours.$f" | head -5 | sed 's/^/# /'
		done
		result 1 "$1"
	fi
}

# prog NAME NEEDED SHELL-COMMAND
prog() {
	if has "$2"; then same "$1" "$3"; else skip "$1" "$2 is not installed"; fi
}

# ---- everyday programs -----------------------------------------------------------------------
same "ls" '$PRE ls -la /usr/share; $PRE ls /nonexistent'
same "pipes" 'seq 20000 | $PRE sort -R --random-source=/dev/zero | $PRE tr 0-9 a-j | $PRE sha256sum'
same "tar and gzip" '$PRE tar cf - -C /usr/share/doc bash 2>&1 | $PRE gzip -n | $PRE sha256sum'
same "bash: traps, jobs, subshells" '$PRE bash -c "trap \"echo usr1\" USR1; kill -USR1 \$\$
	(exit 3); echo \$?; sleep 0.1 & wait \$!; echo \$?; echo a | cat; trap - USR1; kill -TERM \$\$"'
same "bash: network by file name" '$PRE bash -c "exec 3<>/dev/tcp/127.0.0.1/1; echo \$?"'
same "timeout and sleep" '$PRE timeout 0.2 sleep 5; echo $?; $PRE timeout -s KILL 0.2 sleep 5'
same "xargs in parallel" 'seq 40 | $PRE xargs -P4 -n1 echo | sort'
same "a program that is not there" '$PRE nonexistent-program'
prog "perl: fork, alarm, sockets" perl '$PRE perl -MSocket -e "
	\$SIG{ALRM}=sub{print qq(alarm\n)}; alarm 1; select undef,undef,undef,3;
	if(!fork){exit 5} wait; print \$?>>8, qq(\n); socket(my \$s,AF_INET,SOCK_STREAM,0) or die;
	print connect(\$s,pack_sockaddr_in(1,inet_aton(q(127.0.0.1))))?1:qq(\$!\n)"'
prog "git" git '$PRE git init -q . && echo x >a && $PRE git add a &&
	$PRE git -c user.name=a -c user.email=a@b commit -qm m --date=2020-01-01T00:00:00Z &&
	$PRE git log --format=%s%T && $PRE git gc -q && $PRE git clone -q . b && $PRE git -C b status'
prog "apt-get and apt-cache" apt-get '$PRE apt-get --version; $PRE apt-cache policy bash
	$PRE apt-get -s install bash'
prog "make" make 'printf "all: a b\na b:\n\t@echo \$@; sleep 0.1\n" >Makefile; $PRE make -s -j2 | sort'
prog "python3: sockets, descriptors, processes, signals" python3 \
	'$PRE python3 "$here/passthrough_sockets.py"'
prog "python3: asyncio" python3 '$PRE python3 -c "
import asyncio
async def main():
    async def serve(r, w):
        w.write((await r.readline())[::-1]); await w.drain(); w.close()
    s = await asyncio.start_server(serve, \"127.0.0.1\", 0)
    async def ask(i):
        r, w = await asyncio.open_connection(*s.sockets[0].getsockname())
        w.write(b\"%d\\n\" % i); return await r.read()
    print(await asyncio.gather(*[ask(i) for i in range(50)]))
    p = await asyncio.create_subprocess_exec(\"echo\", \"sub\", stdout=-1)
    print((await p.communicate())[0])
asyncio.run(main())"'
prog "node" node '$PRE node -e "
const net=require(\"net\"), cp=require(\"child_process\"), fs=require(\"fs\");
const s=net.createServer(c=>c.pipe(c)).listen(0,\"127.0.0.1\",()=>{
	const c=net.connect(s.address().port,()=>c.end(\"echo\"));
	c.on(\"data\",d=>console.log(String(d))); c.on(\"close\",()=>s.close(()=>{
		console.log(String(cp.execSync(\"echo child\")), fs.readFileSync(\"/etc/hostname\").length);
		process.exitCode=7}))})"'
prog "java" java '$PRE java -version; $PRE java -Xshare:auto -XX:+PrintFlagsFinal -version |
	grep -c UseCompressedOops'
prog "curl" curl '$PRE curl -sS http://127.0.0.1:1/; echo $?; $PRE curl -s file:///etc/hostname'
prog "ssh" ssh '$PRE ssh -o BatchMode=yes -p 1 127.0.0.1; echo $?'

# ---- surroundings ----------------------------------------------------------------------------
# A million where it can be had.
nofile=1048576
(ulimit -n $nofile) 2>/dev/null || nofile=$(ulimit -Hn)
export nofile
same "$nofile descriptors allowed" 'ulimit -n $nofile
	$PRE python3 -c "
import os, socket, resource
n, _ = resource.getrlimit(resource.RLIMIT_NOFILE); print(n); os.closerange(3, n)
fd = os.dup2(0, n - 1); print(fd); os.close(fd); s = socket.socket(); print(s.fileno())
fd = os.dup2(s.fileno(), n - 1); print(fd); os.closerange(3, n)"
	$PRE ls / | $PRE wc -l'
same "memory is not reserved by that" 'ulimit -n $nofile; ulimit -v 400000; $PRE ls /'
for fds in '<&-' '>&-' '2>&-' '<&- >&-' '<&- >&- 2>&-'; do
	same "standard descriptors closed: $fds" "\$PRE ls / $fds; echo \$?
		\$PRE python3 -c 'import socket; s=socket.socket(); print(s.fileno())' $fds; echo \$?"
done
same "few descriptors" 'ulimit -n 8; $PRE cat /etc/hostname; $PRE sh -c "echo a | cat"'
same "little memory" 'ulimit -v 60000; $PRE ls /; ulimit -l 0; $PRE ls /'
same "no environment" 'env -i ${PRE#env } /bin/ls /'
same "no /proc" 'unshare -m bash -c "mount -t tmpfs none /proc 2>/dev/null; $PRE ls /"'
same "set-user-id programs" '$PRE su --version | head -1; $PRE mount --version | head -1'

# ---- company ---------------------------------------------------------------------------------
if ${CC:-cc} -shared -fPIC -O1 -o "$tmp/other.so" "$here/passthrough_other.c" -ldl 2>"$tmp/cc.log"; then
	for order in "in front" "behind"; do
		rm -f "$tmp/other.out"
		if [ "$order" = behind ]; then PRELOAD="$lib:$tmp/other.so"; else PRELOAD="$tmp/other.so:$lib"; fi
		export OTHER_OUT=$tmp/other.out
		same "another preload $order" '$PRE python3 "$here/passthrough_sockets.py"'
		[ -s "$tmp/other.out" ]
		result $? "... and it was called"
		unset PRELOAD OTHER_OUT
	done
else
	skip "another preload" "no C compiler"
fi
if has valgrind; then
	same "valgrind" '$PRE valgrind -q --error-exitcode=9 ls / 2>&1
		$PRE valgrind -q --error-exitcode=9 sh -c "exit 3"; echo $?'
else
	skip "valgrind" "not installed"
fi
if has gdb; then
	run ours "gdb -nx -batch -ex 'set breakpoint pending on' -ex 'set environment LD_PRELOAD=$lib' -ex 'break write' -ex run -ex bt \
		-ex delete -ex continue --args /bin/echo hello"
	grep -q '^hello' "$tmp/ours.out" && grep -q 'exited normally' "$tmp/ours.out" &&
		grep -q '#0 .*write' "$tmp/ours.out"
	result $? "gdb: break, backtrace, continue"
else
	skip "gdb" "not installed"
fi
if has strace; then
	# Nothing beyond what the loader does for the library itself: no descriptor stays open, and
	# after main() has begun the calls are the same.
	strace -f -o "$tmp/trace.ours" env LD_PRELOAD="$lib" cat /etc/hostname >/dev/null
	! grep -qE 'memfd_create|bpf\(|io_uring_setup|clone|AF_NETLINK|AF_XDP' "$tmp/trace.ours"
	result $? "cat makes no arena, ring, thread or socket"
fi

# ---- names are bound to us -------------------------------------------------------------------
# Every import of a program that the table names, from whatever version of libc it asks for.
"$srcdir/scripts/gen" list calls | sort -u >"$tmp/calls"
for p in nginx redis-server haproxy node memcached postgres python3 java curl wrk apache2; do
	case $p in
	postgres) b=$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | tail -1) ;;
	*) b=$(command -v $p) ;;
	esac
	case $p in python3) has python3 && b=$(python3 -c 'import sys; print(sys.executable)') ;; esac
	if [ -z "$b" ]; then skip "$p: imports bound" "not installed"; continue; fi
	b=$(readlink -f "$b")
	rm -f "$tmp"/bind.*
	arg=--version
	case $p in nginx | haproxy | java | apache2) arg=-v ;; memcached) arg=-V ;; esac
	LD_BIND_NOW=1 LD_DEBUG=bindings LD_DEBUG_OUTPUT=$tmp/bind LD_PRELOAD=$lib "$b" $arg \
		>/dev/null 2>&1 </dev/null
	# Whoever binds a name of ours anywhere but to us, ourselves and libc's own parts excepted.
	awk -v names="$tmp/calls" -v lib="$lib" '
		BEGIN { while ((getline s < names) > 0) ours[s] = 1 }
		/binding file/ {
			match($0, /`[^\47]*\47/); s = substr($0, RSTART + 1, RLENGTH - 2)
			split($0, w, /binding file | \[0\] to | \[0\]: /)
			if (!(s in ours) || w[2] == lib || w[2] ~ /\/(libc|ld-linux[^\/]*)\.so/) next
			if (w[3] == lib) good++; else { bad++; print "# " s ": " w[2] " -> " w[3] }
		}
		END { exit !(good > 0 && !bad) }' "$tmp"/bind.*
	result $? "$p: imports bound to the library"
done

# ---- servers on the kernel -------------------------------------------------------------------
# serve NAME PORT: waits until something listens on it.
await() {
	for _ in $(seq 100); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
		sleep 0.05
	done
	return 1
}

if has nginx && has curl; then
	mkdir -p "$tmp/ngx"
	head -c 3000000 /dev/urandom >"$tmp/ngx/file"
	chmod -R a+rX "$tmp"
	for sf in on off; do
		cat >"$tmp/ngx/conf" <<-END
			daemon off; master_process on; worker_processes 2; pid $tmp/ngx/pid;
			error_log $tmp/ngx/error.log;
			events { worker_connections 256; }
			http { access_log off; sendfile $sf; root $tmp/ngx; client_body_temp_path $tmp/ngx/b;
			proxy_temp_path $tmp/ngx/p; fastcgi_temp_path $tmp/ngx/f; uwsgi_temp_path $tmp/ngx/u;
			scgi_temp_path $tmp/ngx/s; server { listen 127.0.0.1:8080; } 
			server { listen 127.0.0.1:8081; location / { proxy_pass http://127.0.0.1:8080; } } }
		END
		LD_PRELOAD=$lib nginx -c "$tmp/ngx/conf" 2>"$tmp/ngx/stderr" &
		p=$!
		pids="$pids $p"
		want=$(sha256sum <"$tmp/ngx/file")
		await 8080 &&
			[ "$(LD_PRELOAD=$lib curl -s http://127.0.0.1:8080/file | sha256sum)" = "$want" ] &&
			[ "$(curl -s http://127.0.0.1:8081/file | sha256sum)" = "$want" ] &&
			kill -HUP $p && sleep 0.5 &&
			[ "$(curl -s http://127.0.0.1:8080/file | sha256sum)" = "$want" ] &&
			kill -QUIT $p && timeout 10 tail --pid=$p -f /dev/null
		result $? "nginx: file, proxy, reload, quit (sendfile $sf)"
	done
else
	skip "nginx" "nginx or curl is not installed"
fi
if has redis-server && has redis-cli; then
	mkdir -p "$tmp/redis"
	LD_PRELOAD=$lib redis-server --port 8082 --save '' --dir "$tmp/redis" >"$tmp/redis/log" 2>&1 &
	p=$!
	pids="$pids $p"
	await 8082 && [ "$(redis-cli -p 8082 set k v)" = OK ] &&
		[ "$(LD_PRELOAD=$lib redis-cli -p 8082 get k)" = v ] &&
		redis-cli -p 8082 bgsave >/dev/null && sleep 0.5 && [ -f "$tmp/redis/dump.rdb" ] &&
		redis-cli -p 8082 shutdown nosave && timeout 10 tail --pid=$p -f /dev/null
	result $? "redis: set, get, bgsave, shutdown"
else
	skip "redis" "not installed"
fi
if has memcached && has python3; then
	LD_PRELOAD=$lib memcached -u nobody -p 8083 -l 127.0.0.1 -t 4 2>"$tmp/memcached.log" &
	p=$!
	pids="$pids $p"
	await 8083 && [ "$(LD_PRELOAD=$lib python3 -c '
import socket
c = [socket.create_connection(("127.0.0.1", 8083)) for _ in range(20)]
for i, s in enumerate(c): s.sendall(b"set k%d 0 0 1\r\nx\r\nget k%d\r\n" % (i, i))
def read(s):
    d = b""
    while not d.endswith(b"END\r\n"): d += s.recv(4096)
    return d
print(sum(b"VALUE" in read(s) for s in c))')" = 20 ] && kill $p && timeout 10 tail --pid=$p -f /dev/null
	result $? "memcached: twenty connections over four threads"
else
	skip "memcached" "not installed"
fi

echo "1..$n"
exit $bad

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
# A child that closes the listener it inherited, as forking servers do, takes nothing from its
# parent: a connection that waits at the kernel's door is still reported there.
builddir=$(cd "${builddir:-.}" && pwd)
lib=${LIB_UNDER_TEST:-$builddir/.libs/libshim.so}
[ -f "$lib" ] || { echo "SKIP: not built"; exit 77; }
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
bad=0
export SHIM_IFACE=none SHIM_LOOPBACK=1
if LD_PRELOAD=$lib timeout 30 python3 -c '
import os, select, socket, subprocess, sys
srv = socket.socket()
srv.bind(("127.0.0.1", 0))
srv.listen(16)
ep = select.epoll()
ep.register(srv.fileno(), select.EPOLLIN)
env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
cli = subprocess.Popen([sys.executable, "-c", "import socket, sys;"
	"s = socket.create_connection((\"127.0.0.1\", int(sys.argv[1]))); s.recv(1)",
	str(srv.getsockname()[1])], env=env)
assert len(ep.poll(10)) == 1
pid = os.fork()
if pid == 0:
	srv.close()
	os._exit(0)
os.waitpid(pid, 0)
told = len(ep.poll(1))
srv.accept()[0].close()
cli.wait()
sys.exit(told != 1)
'; then
	echo "ok 1 - the parent still hears of the connection"
else
	echo "not ok 1 - the parent still hears of the connection"
	bad=1
fi
echo "1..1"
exit $bad

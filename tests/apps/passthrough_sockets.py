# SPDX-License-Identifier: BSD-2-Clause
"""What a program does with sockets, descriptors, processes and signals, and what it sees of it.

Run natively and preloaded; the two outputs must be equal. Prints nothing that differs from one run
to the next by nature (process ids, ports, times).
"""
import array
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time


def say(*args):
    print(*args, flush=True)


def tcp_pair(family=socket.AF_INET, host="127.0.0.1"):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, 0))
    listener.listen(8)
    client = socket.create_connection(listener.getsockname()[:2])
    server, addr = listener.accept()
    say("accepted", addr == client.getsockname(), server.getpeername() == client.getsockname())
    listener.close()
    return client, server


def refused(what, call):
    try:
        say(what, "gave", call())
    except OSError as e:
        say(what, errno.errorcode.get(e.errno, e.errno))


def bytes_every_way():
    a, b = tcp_pair()
    a.send(b"one")
    say(b.recv(10))
    os.write(a.fileno(), b"two")
    say(os.read(b.fileno(), 10))
    os.writev(a.fileno(), [b"th", b"ree"])
    buf = [bytearray(2), bytearray(8)]
    say(os.readv(b.fileno(), buf), bytes(buf[0]))
    a.sendmsg([b"fo", b"ur"])
    say(b.recvmsg(10)[0])
    a.sendto(b"five", a.getpeername()) if False else a.send(b"five")
    say(b.recvfrom(10)[0])
    a.send(b"!", socket.MSG_OOB)
    time.sleep(0.05)
    say("urgent", b.recv(1, socket.MSG_OOB))
    a.send(b"peek")
    say(b.recv(4, socket.MSG_PEEK), b.recv(4, socket.MSG_WAITALL))
    with tempfile.TemporaryFile() as f:
        f.write(bytes(range(256)) * 400)
        f.flush()
        t = threading.Thread(target=lambda: say("sendfile", a.sendfile(f)))
        f.seek(0)
        t.start()
        got = bytearray()
        while len(got) < 102400:
            got += b.recv(65536)
        t.join()
        say("whole", bytes(got) == bytes(range(256)) * 400)
    a.shutdown(socket.SHUT_WR)
    say("end", b.recv(1))
    b.close()
    a.close()


def descriptors():
    a, b = tcp_pair()
    d = os.dup(a.fileno())
    os.write(d, b"dup")
    say(b.recv(3))
    high = fcntl.fcntl(a, fcntl.F_DUPFD_CLOEXEC, 200)
    say("high", high >= 200, fcntl.fcntl(high, fcntl.F_GETFD))
    a.close()
    os.write(high, b"high")
    say(b.recv(4))
    os.dup2(high, 201)
    os.close(high)
    os.close(d)
    os.closerange(200, 210)
    say("all closed", b.recv(1))
    refused("closed twice", lambda: os.close(d))
    say("flags", fcntl.fcntl(b, fcntl.F_GETFL) & os.O_NONBLOCK)
    b.setblocking(False)
    say("flags", bool(fcntl.fcntl(b, fcntl.F_GETFL) & os.O_NONBLOCK))
    b.close()
    left, right = socket.socketpair()
    c, s = tcp_pair()
    left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno()]))])
    _, anc, _, _ = right.recvmsg(1, socket.CMSG_SPACE(4))
    passed = socket.socket(fileno=struct.unpack("i", anc[0][2])[0])
    passed.send(b"passed")
    say(s.recv(10))
    f = s.makefile("rwb")
    c.send(b"line\n")
    say(f.readline())


def errors():
    s = socket.socket()
    refused("connect", lambda: s.connect(("127.0.0.1", 1)))
    refused("send", lambda: s.send(b"x"))
    refused("getpeername", s.getpeername)
    refused("listen", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).listen(1))
    refused("bind", lambda: socket.socket().bind(("203.0.113.1", 80)))
    refused("option", lambda: s.setsockopt(socket.SOL_SOCKET, 9999, 1))
    refused("pread", lambda: os.pread(s.fileno(), 1, 0))
    refused("seek", lambda: os.lseek(s.fileno(), 0, 0))
    refused("file", lambda: socket.socket(fileno=os.open("/dev/null", os.O_RDONLY)))
    a, b = tcp_pair()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    b.close()
    time.sleep(0.05)
    refused("reset", lambda: a.recv(1))
    refused("broken", lambda: a.send(b"x"))
    say(a.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE), s.family.name)


def waiting():
    a, b = tcp_pair()
    p = select.poll()
    p.register(b, select.POLLIN)
    say("poll", p.poll(10))
    e = select.epoll()
    e.register(b, select.EPOLLIN | select.EPOLLET)
    a.send(b"x")
    say("poll", [ev for _, ev in p.poll(1000)], "epoll", [ev for _, ev in e.poll(1)])
    say("edge", e.poll(0.01))
    r, w, x = select.select([b], [b], [b], 1)
    say("select", len(r), len(w), len(x))
    b.settimeout(0.05)
    b.recv(1)
    try:
        b.recv(1)
    except socket.timeout:
        say("timed out")
    say("late", select.select([b], [], [], 0.02)[0])


def datagrams():
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    b.bind(("::", 0))
    a.sendto(b"hello", ("127.0.0.1", b.getsockname()[1]))
    data, addr = b.recvfrom(100)
    say(data, addr[0])
    a.connect(("127.0.0.1", b.getsockname()[1]))
    a.send(b"12345")
    data, _, flags, _ = b.recvmsg(3)
    say(data, bool(flags & socket.MSG_TRUNC))


def processes():
    a, b = tcp_pair()
    pid = os.fork()
    if pid == 0:
        a.send(b"child")
        os._exit(3)
    say(b.recv(10), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    a.send(b"parent")
    say(b.recv(10))
    pid, fd = os.forkpty()
    if pid == 0:
        os.write(1, b"terminal" if os.isatty(0) else b"none")
        os._exit(0)
    say(os.read(fd, 100))
    os.waitpid(pid, 0)
    say(subprocess.run(["cat"], input=b"piped", capture_output=True, close_fds=True).stdout)
    os.set_inheritable(a.fileno(), True)
    subprocess.run([sys.executable, "-c", "import os; os.write(%d, b'exec')" % a.fileno()],
                   pass_fds=[a.fileno()])
    say(b.recv(10))
    say(os.system("exit 4") >> 8, os.popen("echo popen").read())
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 6"], os.environ)
    say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def signals():
    seen = []
    signal.signal(signal.SIGALRM, lambda *a: seen.append("alarm"))
    signal.siginterrupt(signal.SIGALRM, True)
    a, b = tcp_pair()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    say("select", select.select([b], [], [], 0.2)[0], seen)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    threading.Timer(0.1, lambda: a.send(b"late")).start()
    say(b.recv(10), seen)
    say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    except KeyboardInterrupt:
        say("interrupted")
    for sig in (signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT):
        r = subprocess.run([sys.executable, "-X", "faulthandler", "-c",
                            "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
                            "os.kill(os.getpid(), %d)" % sig], capture_output=True)
        say(sig.name, r.returncode, r.stderr.split(b"\n")[0])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    say(signal.sigwait([signal.SIGUSR1]).name)


def threads():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(20):
            c, _ = listener.accept()
            threading.Thread(target=lambda c=c: (c.sendall(c.recv(100)[::-1]), c.close())).start()

    threading.Thread(target=serve, daemon=True).start()
    out = []

    def ask(i):
        with socket.create_connection(listener.getsockname()) as c:
            c.sendall(b"%d abc" % i)
            out.append(c.recv(100))

    ts = [threading.Thread(target=ask, args=(i,)) for i in range(20)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    say(sorted(out))


for test in (bytes_every_way, descriptors, errors, waiting, datagrams, processes, signals, threads):
    say("--", test.__name__)
    test()

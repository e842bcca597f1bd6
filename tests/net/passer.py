# SPDX-License-Identifier: BSD-2-Clause
# Descriptors that go from process to process. For tests/net/pass.sh:
#
#	passer.py server PORT STRANGER-PATH     one case per connection, named by its first line
#	passer.py stranger PATH                 a process of its own that is sent descriptors
#	passer.py client ADDRESS PORT CASE      (to the port beside, CASE has it: at $DOOR)
#	passer.py echoer ADDRESS PORT           answers a line of each connection
#	passer.py spawner ADDRESS PORT          connects after a child has begun to listen
import array, ctypes, errno, os, signal, socket, subprocess, sys, time

sys.dont_write_bytecode = True  # nothing stays behind
from lines import line, say

libc = ctypes.CDLL(None, use_errno=True)


def child(f):
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.alarm(10)
        f()
        os._exit(0)
    except BaseException as e:
        print("child:", repr(e), flush=True)
        os._exit(1)


def ended(pid):
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status


def receive(u, flags=0):
    _, anc, _, _ = u.recvmsg(16, socket.CMSG_SPACE(4), flags)  # recv_fds() ignores flags
    return socket.socket(fileno=array.array("i", anc[0][2])[0])


def echo(u, delay=0):
    time.sleep(delay)
    c = receive(u)
    say(c, "got it")
    say(c, "echo " + line(c))


def case_child(l, c):
    a, b = socket.socketpair()
    pid = child(lambda: (c.close(), a.close(), echo(b)))
    socket.send_fds(a, [b"x"], [c.fileno()])
    c.close()
    ended(pid)


def case_flight(l, c):
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    pid = child(lambda: (c.close(), a.close(), echo(b, 2.5)))
    socket.send_fds(a, [b"x"], [c.fileno()])
    c.close()
    ended(pid)


def case_peek(l, c):
    a, b = socket.socketpair()

    def f():
        c.close()
        receive(b, socket.MSG_PEEK).close()
        echo(b)

    pid = child(f)
    socket.send_fds(a, [b"x"], [c.fileno()])
    c.close()
    ended(pid)


def case_lost(l, c):
    a, b = socket.socketpair()
    socket.send_fds(a, [b"x"], [c.fileno()])
    c.close()


def case_back(l, c):
    # there and back again, the sender holding nothing meanwhile; twice, for the names
    a, b = socket.socketpair()

    def f():
        n = receive(b)
        socket.send_fds(b, [b"y"], [n.fileno()])

    for _ in range(2):
        pid = child(lambda: (c.close(), f()))
        socket.send_fds(a, [b"x"], [c.fileno()])
        c.close()
        ended(pid)
        c = receive(a)
    say(c, "got it")
    say(c, "echo " + line(c))


def case_listener(l, c):
    a, b = socket.socketpair()

    def f():
        m = receive(b)
        n = m.accept()[0]
        say(n, "got it")
        say(n, "echo " + line(n))

    m = bound()
    m.listen(8)
    pid = child(lambda: (m.close(), f()))
    socket.send_fds(a, [b"x"], [m.fileno()])
    m.close()
    say(c, "again")
    ended(pid)


def bound():
    # a socket that nothing is decided of yet
    m = socket.socket()
    m.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    m.bind(("", PORT + 1))
    return m


def case_bound_listener(l, c):
    # sent before it listens; both listen, and the one who does not accept keeps nothing back
    a, b = socket.socketpair()
    m = bound()

    def f():
        m = receive(b)
        b.send(b"y")
        line(b)
        m.listen(8)
        n = m.accept()[0]
        say(n, "got it")
        say(n, "echo " + line(n))

    pid = child(lambda: (m.close(), f()))
    socket.send_fds(a, [b"x"], [m.fileno()])
    a.recv(1)
    m.listen(8)
    say(a, "listens")
    say(c, "again")
    ended(pid)
    m.close()


def case_bound_left_listener(l, c):
    # likewise, and the sender alone listens, and goes
    a, b = socket.socketpair()
    m = bound()

    def f():
        m = receive(b)
        b.send(b"y")
        line(b)
        n = m.accept()[0]
        say(n, "got it")
        say(n, "echo " + line(n))

    pid = child(lambda: (m.close(), f()))
    socket.send_fds(a, [b"x"], [m.fileno()])
    a.recv(1)
    m.listen(8)
    m.close()
    say(a, "listens")
    say(c, "again")
    ended(pid)


case_bound_left_door_listener = case_bound_left_listener  # and it is the kernel that has who comes


def case_fetched(l, c):
    r, w = os.pipe()

    def f():
        time.sleep(0.2)
        pidfd = os.pidfd_open(os.getppid())
        fd = libc.pidfd_getfd(pidfd, number, 0)
        assert fd >= 0, ctypes.get_errno()
        n = socket.socket(fileno=fd)
        os.write(w, b"x")
        say(n, "got it")
        say(n, "echo " + line(n))

    number = c.fileno()
    pid = child(lambda: (c.close(), f()))
    os.read(r, 1)
    c.close()
    ended(pid)


def case_mmsg(l, c):
    class iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

    class msghdr(ctypes.Structure):
        _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(iovec)),
                    ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                    ("flags", ctypes.c_int)]

    class mmsghdr(ctypes.Structure):
        _fields_ = [("hdr", msghdr), ("len", ctypes.c_uint)]

    def make(control):
        buf = ctypes.create_string_buffer(b"x", 4)
        iov = iovec(ctypes.cast(buf, ctypes.c_void_p), 1)
        m = mmsghdr()
        m.hdr.iov, m.hdr.iovlen = ctypes.pointer(iov), 1
        m.hdr.control, m.hdr.controllen = ctypes.cast(control, ctypes.c_void_p), len(control)
        return m, buf, iov

    def rights(fd):
        return ctypes.create_string_buffer(
            (20).to_bytes(8, "little") + (1).to_bytes(4, "little") + (1).to_bytes(4, "little")
            + fd.to_bytes(4, "little") + bytes(4), 24)

    a, b = socket.socketpair()

    def f():
        control = rights(0)
        m, *keep = make(control)
        assert libc.recvmmsg(b.fileno(), ctypes.byref(m), 1, 0, None) == 1
        n = socket.socket(fileno=int.from_bytes(control.raw[16:20], "little"))
        say(n, "got it")
        say(n, "echo " + line(n))

    pid = child(lambda: (c.close(), a.close(), f()))
    control = rights(c.fileno())
    m, *keep = make(control)
    assert libc.sendmmsg(a.fileno(), ctypes.byref(m), 1, 0) == 1
    c.close()
    ended(pid)


def case_stranger(l, c):
    u = socket.socket(socket.AF_UNIX)
    u.connect(PATH)
    try:
        socket.send_fds(u, [b"x"], [c.fileno()])
        say(c, "was sent")
    except PermissionError:
        say(c, "got it")
        say(c, "echo " + line(c))


def case_stranger_listener(l, c):
    u = socket.socket(socket.AF_UNIX)
    u.connect(PATH)
    m = bound()
    m.listen(8)
    socket.send_fds(u, [b"x"], [m.fileno()])
    say(c, "again")
    line(u)
    m.close()


def case_stranger_bound_listener(l, c):
    u = socket.socket(socket.AF_UNIX)
    u.connect(PATH)
    m = bound()
    socket.send_fds(u, [b"x"], [m.fileno()])
    m.listen(8)
    say(c, "again")
    line(u)
    m.close()


def server():
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(("", PORT))
    l.listen(8)
    while True:
        c = l.accept()[0]
        name = line(c)
        if name == "end":
            return
        try:
            globals()["case_" + name](l, c)
            print(name, "done", flush=True)
        except BaseException as e:
            print(name, "failed:", repr(e), flush=True)
        c.close()


def accept_later(m):
    # who sent it may not listen yet
    for _ in range(50):
        try:
            return m.accept()[0]
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            time.sleep(0.1)
    sys.exit("it does not listen")


def stranger():
    s = socket.socket(socket.AF_UNIX)
    s.bind(sys.argv[2])
    s.listen(8)
    while True:
        u = s.accept()[0]
        _, fds, _, _ = socket.recv_fds(u, 16, 4)
        if fds:
            n = accept_later(socket.socket(fileno=fds[0]))
            say(n, "got it")
            say(n, "echo " + line(n))
            n.close()
        u.close()


def spawner():
    # the child, a member of the family, is the first to need interfaces
    a, b = socket.socketpair()
    listen = "import socket, sys; l = socket.socket(); l.bind((str(), %d)); l.listen(); " \
        "b = socket.socket(fileno=0); b.send(b'x'); b.recv(1)" % (int(sys.argv[3]) + 1)
    p = subprocess.Popen([sys.executable, "-c", listen], stdin=b)
    b.close()
    a.recv(1)
    s = socket.create_connection((sys.argv[2], int(sys.argv[3])), 8)
    say(s, "hello")
    got = line(s)
    a.close()
    assert got == "echo hello" and p.wait(8) == 0


def echoer():
    l = socket.create_server((sys.argv[2], int(sys.argv[3])))
    while True:
        c = l.accept()[0]
        got = line(c)
        if got:
            say(c, "echo " + got)
            line(c)


def dial(port, at=None):
    for _ in range(50):
        try:
            s = socket.create_connection((at or sys.argv[2], port), 8)
            s.settimeout(8)
            return s
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("nobody listens on %d" % port)


def client():
    name = sys.argv[4]
    s = dial(int(sys.argv[3]))
    say(s, name)
    if name in ("lost", "end"):
        sys.exit(line(s) != "")
    if "listener" in name:
        assert line(s) == "again"
        s.close()
        s = dial(int(sys.argv[3]) + 1, os.environ["DOOR"] if "door" in name else None)
    assert line(s) == "got it"
    say(s, "hello")
    assert line(s) == "echo hello"
    assert line(s) == ""


if sys.argv[1] == "server":
    PORT, PATH = int(sys.argv[2]), sys.argv[3]
globals()[sys.argv[1]]()

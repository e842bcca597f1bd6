# SPDX-License-Identifier: BSD-2-Clause
# A process that changes what it is while it has sockets of the stack. For tests/net/changes.sh:
#
#	changes.py server PORT     a child for each connection, which does what its first line says
#	changes.py daemon PORT     itself, in the middle of making its listener and its epoll set
#	changes.py moves PORT      itself, alone, into a network namespace of its own and back
#	changes.py client ADDRESS PORT CASE
import ctypes, os, resource, select, signal, socket, sys, time

sys.dont_write_bytecode = True  # nothing stays behind
from lines import line, say

libc = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUTS, NEWPID, NEWNET = 0x20000, 0x4000000, 0x20000000, 0x40000000


def unshare(flags):
    assert libc.unshare(flags) == 0, os.strerror(ctypes.get_errno())


def in_child(f):
    pid = os.fork()
    if pid == 0:
        f()
        os._exit(0)
    os.waitpid(pid, 0)
    os._exit(0)


def case_setuid():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def case_setuid_fork():
    case_setuid()
    if os.fork():
        os._exit(0)


def case_chroot():
    os.chroot("/var/empty" if os.path.isdir("/var/empty") else "/var/tmp")
    os.chdir("/")


def case_namespaces():
    unshare(NEWNS | NEWUTS)


def case_pid_namespace():
    unshare(NEWPID)
    if os.fork():
        os.wait()
        os._exit(0)
    assert os.getpid() == 1


def case_net_namespace():
    unshare(NEWNET)


def case_apart():
    """Who sleeps in another network namespace is woken by who stayed, without a packet."""
    ep = select.epoll()
    pid = os.fork()
    if pid == 0:
        unshare(NEWNET)
        end = time.monotonic() + 2
        os._exit(0 if ep.poll(4) and time.monotonic() < end else 1)
    time.sleep(0.5)
    ep.register(CONN.fileno(), select.EPOLLOUT)
    assert os.waitpid(pid, 0)[1] == 0


def case_nofile_low():
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))


def case_nofile_high():
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    keep = [os.dup(0) for _ in range(1500)]
    for fd in keep:
        os.close(fd)


def case_double_fork():
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def talk(c):
    """Blocking, by an epoll set made now, and by a thread of its own wake-ups."""
    say(c, "ready")
    say(c, "echo " + line(c))
    ep = select.epoll()
    ep.register(c.fileno(), select.EPOLLIN)
    assert ep.poll(5)
    say(c, "echo " + line(c))
    time.sleep(0.3)
    say(c, "late")


def listener(port):
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(("", port))
    return l


def server():
    l = listener(int(sys.argv[2]))
    l.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        c = l.accept()[0]
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.alarm(20)
            l.close()
            global CONN
            CONN = c
            name = line(c)
            try:
                globals()["case_" + name]()
                talk(c)
            except BaseException as e:
                if not isinstance(e, SystemExit):
                    print(name, "failed:", repr(e), flush=True)
            os._exit(0)
        c.close()


def away():
    if os.fork():
        os._exit(0)
    os.setsid()


def daemon():
    l = listener(int(sys.argv[2]))
    away()  # after bind
    ep = select.epoll()
    away()  # after epoll_create
    l.listen(16)
    ep.register(l.fileno(), select.EPOLLIN)
    away()  # after listen and epoll_ctl
    assert ep.poll(20)
    c = l.accept()[0]
    away()  # after accept
    line(c)
    talk(c)


def moves():
    """Sockets stay where they were made; those made in the new namespace are of that."""
    port = int(sys.argv[2])
    l = listener(port)
    l.listen(16)
    c = l.accept()[0]
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    line(c)
    unshare(NEWNET)
    new = listener(port + 1)
    new.listen(16)
    talk(c)
    c.close()
    for back in (False, True):  # the listener serves from there, and after the return
        if back:
            assert libc.setns(home, NEWNET) == 0
        c = l.accept()[0]
        line(c)
        talk(c)
        c.close()


def refused():
    s = socket.socket()
    s.settimeout(3)
    try:
        s.connect((sys.argv[2], int(sys.argv[3])))
    except ConnectionRefusedError:
        sys.exit(0)
    sys.exit("somebody is there")


def client():
    for _ in range(50):
        try:
            s = socket.create_connection((sys.argv[2], int(sys.argv[3])), 8)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    s.settimeout(8)
    say(s, sys.argv[4])
    assert line(s) == "ready"
    time.sleep(0.2)  # until it sleeps
    for word in ("one", "two"):
        say(s, word)
        assert line(s) == "echo " + word
        time.sleep(0.2)
    assert line(s) == "late"
    assert line(s) == ""


globals()[sys.argv[1]]()

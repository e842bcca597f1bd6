# SPDX-License-Identifier: BSD-2-Clause
# A listener that goes to a stranger under load, again and again. For tests/net/pass_load.sh:
#
#	pass_load.py load PATH ADDRESS          short connections, to the port that PATH's peer names
#	pass_load.py heir PATH                  is sent listeners, and serves them until told to stop
#	pass_load.py giver PATH PATH PORT N BEFORE BOTH
#	        N times: listens, serves for so many ms, gives the listener to the heir (the second
#	        path), serves on for so many ms, and closes
import errno, os, select, socket, sys, time

sys.dont_write_bytecode = True  # nothing stays behind
from lines import line, say

AT_ONCE = 16
ALONE_S = 0.015  # the heir serves


def unix(path):
    u = socket.socket(socket.AF_UNIX)
    u.bind(path)
    u.listen(1)
    return u.accept()[0]


def serve(l, until, others):
    # until the time, but those who wait by now at least; or until others have something to say
    late = False
    while not late:
        late = time.monotonic() >= until
        ready = select.select([l] + others, [], [], max(0, until - time.monotonic()))[0]
        if l in ready:
            try:
                while True:
                    c = l.accept()[0]
                    c.setblocking(True)
                    c.sendall(b"served\n")
                    c.close()
            except BlockingIOError:
                pass
        if set(others) & set(ready):
            return


def giver():
    load, heir = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    port, times, before, both = map(int, sys.argv[4:8])
    load.connect(sys.argv[2])
    heir.connect(sys.argv[3])
    served = failed = 0
    for i in range(times):
        l = socket.create_server(("", port + i), backlog=256)
        l.setblocking(False)
        say(load, str(port + i))
        serve(l, time.monotonic() + (before + i * 7 % 80) / 1000, [])  # at any time of a handshake
        socket.send_fds(heir, [b"x"], [l.fileno()])
        serve(l, time.monotonic() + both / 1000, [])
        l.close()
        time.sleep(ALONE_S)
        say(load, "stop")
        got = line(load).split()
        served, failed = served + int(got[0]), failed + int(got[1])
        if got[2:]:
            print("hand-over %d:" % i, *got[2:], flush=True)
        say(heir, "stop")
    print("%d served, %d failed" % (served, failed), flush=True)
    sys.exit(failed > 0 or served < AT_ONCE * times)


def heir():
    u = unix(sys.argv[2])
    while True:
        fds = socket.recv_fds(u, 16, 4)[1]
        if not fds:
            return
        l = socket.socket(fileno=fds[0])
        serve(l, time.monotonic() + 60, [u])
        line(u)
        l.close()


class Load:
    def __init__(self, port):
        self.to, self.open, self.served, self.why = (sys.argv[3], port), {}, 0, []
        self.poll = select.epoll()

    def one(self):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(self.to)
        self.open[s.fileno()] = [s, b""]
        self.poll.register(s.fileno(), select.EPOLLIN)

    def step(self, timeout):
        for fd, _ in self.poll.poll(timeout):
            s, got = self.open[fd]
            try:
                more = s.recv(64)
                self.open[fd][1] += more
                if more:
                    continue
                self.served += got == b"served\n"
                if got != b"served\n":
                    self.why.append("EOF")
            except OSError as e:
                self.why.append(errno.errorcode[e.errno])
            del self.open[fd]
            s.close()


def load():
    u = unix(sys.argv[2])
    while True:
        port = line(u)
        if not port:
            return
        on = Load(int(port))
        while not select.select([u], [], [], 0)[0]:
            while len(on.open) < AT_ONCE:
                on.one()
            on.step(0.01)
        line(u)
        end = time.monotonic() + 10
        while on.open and time.monotonic() < end:
            on.step(0.1)
        for s, _ in on.open.values():
            on.why.append("hangs-in-state-%d" % s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])
            s.close()
        why = ["%d x %s" % (on.why.count(w), w) for w in sorted(set(on.why))]
        say(u, " ".join([str(on.served), str(len(on.why))] + why))


globals()[sys.argv[1]]()

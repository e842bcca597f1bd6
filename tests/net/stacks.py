# SPDX-License-Identifier: BSD-2-Clause
"""Workers that share a listener, and clients that hold what they open.

    stacks.py serve PORT WORKERS       answers each line with the worker's number and the line
    stacks.py each PORT WORKERS        the same, each with a listener of its own (SO_REUSEPORT)
    stacks.py hold ADDR PORT N ROUNDS  opens N connections, ROUNDS lines on each; prints JSON
    stacks.py udp PORT WORKERS         likewise by datagrams, on one socket each (SO_REUSEPORT)
    stacks.py ask ADDR PORT N          N datagrams from as many sockets
    stacks.py echo ADDR PORT N         answers on N ports from PORT on
    stacks.py both LOCAL PORT ADDR PORT N
                                       listens on a port, and connects from it to N others
"""
import collections
import json
import os
import select
import signal
import socket
import sys


def worker(ls, n):
    ep = select.epoll()
    ep.register(ls, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    conns = {}
    while True:
        for fd, _ in ep.poll():
            if fd == ls.fileno():
                try:
                    c, _ = ls.accept()
                except BlockingIOError:
                    continue
                c.setblocking(False)
                conns[c.fileno()] = c
                ep.register(c, select.EPOLLIN)
                continue
            try:
                data = conns[fd].recv(65536)
            except OSError:
                data = b""
            if data:
                conns[fd].send(b"%d " % n + data)
            else:
                conns.pop(fd).close()


def fork_workers(count, run):
    kids = {}

    def start(n):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            run(n)
        kids[pid] = n

    def stop(*_):
        for pid in kids:
            os.kill(pid, signal.SIGKILL)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    for n in range(count):
        start(n)
    print("workers", " ".join(map(str, kids)), flush=True)
    while True:
        pid, _ = os.wait()
        start(kids.pop(pid))
        print("worker again", flush=True)


def serve(port, count):
    ls = socket.create_server(("0.0.0.0", port), backlog=4096)
    ls.setblocking(False)
    fork_workers(count, lambda n: worker(ls, n))


def each(port, count):
    def one(n):
        ls = socket.create_server(("0.0.0.0", port), backlog=4096, reuse_port=True)
        ls.setblocking(False)
        print("listens", flush=True)
        worker(ls, n)
    fork_workers(count, one)


def udp(port, count):
    def one(n):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(("0.0.0.0", port))
        while True:
            data, peer = s.recvfrom(2048)
            s.sendto(b"%d " % n + data, peer)
    fork_workers(count, one)


def hold(addr, port, count, rounds):
    socks, lost, by = [], 0, collections.Counter()
    for i in range(count):
        s = socket.create_connection((addr, port), timeout=10)
        s.settimeout(10)
        socks.append(s)
    for r in range(rounds):
        for i, s in enumerate(socks):
            if s:
                try:
                    s.send(b"%d.%d\n" % (r, i))
                except OSError:
                    socks[i], lost = None, lost + 1
        for i, s in enumerate(socks):
            try:
                data = s.recv(100) if s else b""
            except OSError:
                data = b""
            if s and not data.endswith(b" %d.%d\n" % (r, i)):
                socks[i], lost = None, lost + 1
            elif s and r == 0:
                by[int(data.split()[0])] += 1
        print(json.dumps({"round": r, "lost": lost, "workers": dict(by)}), flush=True)
        if sys.stdin.readline() == "":
            break


def ask(addr, port, count):
    answers = 0
    for i in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            s.sendto(b"%d" % i, (addr, port))
            try:
                answers += s.recv(100).endswith(b" %d" % i)
            except OSError:
                pass
    print(json.dumps({"answers": answers}))


def echo(addr, port, count):
    ep, socks = select.epoll(), {}
    for i in range(count):
        s = socket.create_server((addr, port + i))
        socks[s.fileno()] = s
        ep.register(s, select.EPOLLIN)
    while True:
        for fd, _ in ep.poll():
            c, _ = socks[fd].accept()
            with c:
                c.sendall(c.recv(100))


def both(local, port, addr, first, count):
    def bound():
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind((local, port))
        s.settimeout(3)
        return s
    answers = 0
    with bound() as ls:
        ls.listen()
        for i in range(count):
            with bound() as s:
                try:
                    s.connect((addr, first + i))
                    s.send(b"%d" % i)
                    answers += s.recv(100) == b"%d" % i
                except OSError as e:
                    print(e)
    print(json.dumps({"answers": answers}), flush=True)


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    {"serve": lambda p, n: serve(int(p), int(n)),
     "each": lambda p, n: each(int(p), int(n)),
     "udp": lambda p, n: udp(int(p), int(n)),
     "hold": lambda a, p, n, r: hold(a, int(p), int(n), int(r)),
     "ask": lambda a, p, n: ask(a, int(p), int(n)),
     "echo": lambda a, p, n: echo(a, int(p), int(n)),
     "both": lambda a, p, b, q, n: both(a, int(p), b, int(q), int(n))}[what](*args)

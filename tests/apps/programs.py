#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Servers and client loads for programs.sh. A load ends with status 0 when every answer was right.

  programs.py asyncio|threads|processes PORT      an echo server
  programs.py backend DIRECTORY PORT              a plain HTTP server
  programs.py echo|memcached|dns HOST PORT        a load
  programs.py http HOST PORT CLIENTS REQUESTS [PATH]
"""
import asyncio
import functools
import http.client
import http.server
import multiprocessing
import os
import signal
import socket
import socketserver
import struct
import sys
import threading


# ---- servers -----------------------------------------------------------------------------------

def serve_asyncio(port):
    async def echo(r, w):
        while data := await r.read(65536):
            w.write(data)
            await w.drain()
        w.close()

    async def run():
        loop = asyncio.get_running_loop()
        stop = loop.create_future()
        loop.add_signal_handler(signal.SIGTERM, stop.set_result, None)
        async with await asyncio.start_server(echo, "0.0.0.0", port):
            await stop

    asyncio.run(run())


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


def serve_threads(port):
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("0.0.0.0", port), Echo) as s:
        s.serve_forever()


def serve_processes(port):
    listener = socket.create_server(("0.0.0.0", port), backlog=64)

    def work():
        while True:
            c, _ = listener.accept()
            with c:
                while data := c.recv(65536):
                    c.sendall(data)

    workers = [multiprocessing.Process(target=work) for _ in range(4)]
    for w in workers:
        w.start()

    def stop(*_):
        for w in workers:
            w.kill()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    for w in workers:
        w.join()


def serve_files(directory, port):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

    http.server.ThreadingHTTPServer(("0.0.0.0", port), functools.partial(
        Quiet, directory=directory)).serve_forever()


# ---- loads -------------------------------------------------------------------------------------

def parallel(n, work):
    bad = []

    def one(i):
        try:
            work(i)
        except Exception as e:  # pylint: disable=broad-except
            bad.append(f"{i}: {e!r}")

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if bad:
        sys.exit("\n".join(bad[:5]))


def read_n(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError(f"{len(data)} of {n} bytes")
        data += more
    return data


def connect(host, port):
    return socket.create_connection((host, port), 20)


def load_echo(host, port):
    block = os.urandom(100000)

    def one(i):
        for _ in range(3):  # fewer workers than clients: those that wait get their turn
            with connect(host, port) as s:
                for size in (1, 1000, len(block)):
                    s.sendall(block[:size])
                    if read_n(s, size) != block[:size]:
                        raise ValueError("not what was sent")
                s.shutdown(socket.SHUT_WR)
                if s.recv(1):
                    raise ValueError("bytes after the end")

    parallel(12, one)


def memcached_text(host, port, i):
    with connect(host, port) as s, s.makefile("rb") as f:
        for k in range(50):
            v = os.urandom(k * 200)
            s.sendall(b"set t%d_%d 7 0 %d\r\n%s\r\n" % (i, k, len(v), v))
            assert f.readline() == b"STORED\r\n"
            s.sendall(b"get t%d_%d none\r\n" % (i, k))
            assert f.readline() == b"VALUE t%d_%d 7 %d\r\n" % (i, k, len(v))
            assert f.read(len(v) + 7) == v + b"\r\nEND\r\n"


def memcached_binary(host, port, i):
    head = struct.Struct(">BBHBBHIIQ")
    with connect(host, port) as s:
        for k in range(50):
            key, v = b"b%d_%d" % (i, k), os.urandom(k * 100 + 1)
            s.sendall(head.pack(0x80, 1, len(key), 8, 0, 0, 8 + len(key) + len(v), k, 0)
                      + bytes(8) + key + v)
            assert head.unpack(read_n(s, 24))[5:8] == (0, 0, k)
            s.sendall(head.pack(0x80, 0, len(key), 0, 0, 0, len(key), k, 0) + key)
            h = head.unpack(read_n(s, 24))
            assert h[5] == 0 and read_n(s, h[6])[4:] == v


def memcached_udp(host, port, i):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((host, port))
        for k in range(30):
            s.send(struct.pack(">HHHH", k, 0, 1, 0) + b"set u%d 0 0 3\r\nabc\r\n" % i)
            assert s.recv(2000) == struct.pack(">HHHH", k, 0, 1, 0) + b"STORED\r\n"
        s.send(struct.pack(">HHHH", 99, 0, 1, 0) + b"get u%d\r\n" % i)
        assert s.recv(2000)[8:] == b"VALUE u%d 0 3\r\nabc\r\nEND\r\n" % i


def load_memcached(host, port):
    kinds = (memcached_text, memcached_binary, memcached_udp)
    parallel(36, lambda i: kinds[i % 3](host, port, i))


def load_http(host, port, clients, requests, path=""):
    seen = set()

    def one(i):
        kept = http.client.HTTPConnection(host, port, timeout=20)
        for k in range(requests):
            c = kept if k % 2 else http.client.HTTPConnection(host, port, timeout=20)
            c.request("GET", "/" + path)
            r = c.getresponse()
            if r.status != 200:
                raise ValueError(f"status {r.status}")
            seen.add(hash(r.read()))
            if c is not kept:
                c.close()
        kept.close()

    parallel(clients, one)
    if len(seen) != 1:
        sys.exit("answers differ")


def load_dns(host, port):
    def one(i):
        q = struct.pack(">HHHHHH", i, 0x100, 1, 0, 0, 0) + b"\1a\4test\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(q, (host, port))
            a = s.recv(512)
            assert a[:2] == q[:2] and a.endswith(bytes((10, 1, 2, 3)))
        with connect(host, port) as s:
            s.sendall(struct.pack(">H", len(q)) + q)
            assert read_n(s, struct.unpack(">H", read_n(s, 2))[0]) == a

    parallel(8, one)


def main():
    what, *args = sys.argv[1:]
    args = [int(a) if a.isdigit() else a for a in args]
    {"asyncio": serve_asyncio, "threads": serve_threads, "processes": serve_processes,
     "backend": serve_files, "echo": load_echo, "memcached": load_memcached,
     "http": load_http, "dns": load_dns}[what](*args)


if __name__ == "__main__":
    main()

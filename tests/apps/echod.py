#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An echo server told by lines on its input what to do; each is answered by one line.

listen [reuseport]  listens on ADDRESS PORT       close   closes the listener, not its connections
count               connections it serves now     end     ends
"""
import selectors
import socket
import sys

addr = (sys.argv[1], int(sys.argv[2]))
sel = selectors.DefaultSelector()
conns = set()
listener = None


def listen(reuseport):
    global listener
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuseport:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(addr)
    listener.listen(512)
    listener.setblocking(False)
    sel.register(listener, selectors.EVENT_READ, accept)


def accept(l):
    if l is not listener:  # closed by a command of the same round
        return
    try:
        c, _peer = l.accept()
    except BlockingIOError:
        return
    conns.add(c)
    sel.register(c, selectors.EVENT_READ, echo)


def echo(c):
    try:
        data = c.recv(65536)
        if data:
            c.sendall(data)
            return
    except ConnectionError:
        pass
    sel.unregister(c)
    conns.discard(c)
    c.close()


def command(_):
    global listener
    words = sys.stdin.readline().split() or ["end"]
    answer = "done"
    if words[0] == "listen":
        try:
            listen("reuseport" in words)
        except OSError as e:
            answer = e.strerror
    elif words[0] == "close":
        sel.unregister(listener)
        listener.close()
        listener = None
    elif words[0] == "count":
        answer = str(len(conns))
    else:
        sys.exit(0)
    print(answer, flush=True)


sel.register(sys.stdin, selectors.EVENT_READ, command)
while True:
    for key, _ in sel.select():
        key.data(key.fileobj)

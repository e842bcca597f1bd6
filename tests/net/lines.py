# SPDX-License-Identifier: BSD-2-Clause
# Lines over a socket, for changes.py and passer.py.


def line(s):
    """The next one without its end; what there is of it, if the connection ends."""
    got = b""
    while not got.endswith(b"\n"):
        b = s.recv(1)
        if not b:
            break
        got += b
    return got.decode().strip()


def say(s, text):
    s.sendall(text.encode() + b"\n")

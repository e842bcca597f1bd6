# SPDX-License-Identifier: BSD-2-Clause
"""Trains of datagrams, each with its number, ECN bits and checksum; large ones; and echoes.

  udp_trains.py take ADDR PORT        takes what comes until the end, and says what was wrong
  udp_trains.py give ADDR PORT SEED   gives it, and waits for each answer
"""
import random
import socket
import struct
import sys
import zlib

UDP_SEGMENT, UDP_GRO = 103, 104
HEAD = struct.Struct("!4sIBI")
TRAINS, ECHOES, LARGE = 300, 20000, 40
WINDOW = 16


def pack(kind, number, ecn, rng, size):
    body = rng.randbytes(size - HEAD.size)
    return HEAD.pack(kind, number, ecn, zlib.crc32(body)) + body


def parts(data, controls):
    size = len(data)
    for level, name, value in controls:
        if (level, name) == (socket.IPPROTO_UDP, UDP_GRO):
            size = struct.unpack("i", value)[0]
    return [data[i:i + size] for i in range(0, len(data), size)]


def ecn_of(controls):
    for level, name, value in controls:
        if (level, name) == (socket.IPPROTO_IP, socket.IP_TOS):
            return value[0] & 3
    return None


def take(sock):
    sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    seen, wrong, joined = {}, 0, 0
    print("ready", flush=True)
    while True:
        data, controls, _, peer = sock.recvmsg(65536, 256)
        if data[:4] == b"ECHO":
            for piece in parts(data, controls):
                sock.sendto(piece, peer)
            continue
        if data[:4] == b"DONE":
            sock.sendto(b"%d %d %d" % (len(seen), wrong, joined), peer)
            return wrong
        pieces = parts(data, controls)
        joined += len(pieces) > 1
        for piece in pieces:
            kind, number, ecn, crc = HEAD.unpack(piece[:HEAD.size])
            if crc != zlib.crc32(piece[HEAD.size:]) or (kind, number) in seen:
                wrong += 1
            if ecn != ecn_of(controls):
                wrong += 1
            seen[kind, number] = len(piece)
        sock.sendto(struct.pack("!I", len(seen)), peer)


def give_until(sock, count):
    while True:
        if struct.unpack("!I", sock.recv(100))[0] >= count:
            return


def give(sock, rng):
    sock.settimeout(10)
    count = 0
    for _ in range(TRAINS):
        # On a veth in generic mode a train that is as a whole no longer than the MTU can't be
        # told from a datagram: that is a limit of the library (README).
        segs, size, ecn = rng.randint(2, 40), rng.randint(760, 1400), rng.randint(0, 3)
        last = rng.randint(HEAD.size, size)
        train = b"".join(pack(b"TRAN", count + i, ecn, rng, size) for i in range(segs))
        train += pack(b"TRAN", count + segs, ecn, rng, last)
        sock.sendmsg([train], [
            (socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", size)),
            (socket.IPPROTO_IP, socket.IP_TOS, struct.pack("i", ecn))])
        count += segs + 1
        give_until(sock, count)
    for i in range(LARGE):
        sock.send(pack(b"LRGE", i, 0, rng, 8000))
        count += 1
        give_until(sock, count)
    sent = got = 0
    while got < ECHOES:
        while sent < ECHOES and sent - got < WINDOW:
            sock.send(b"ECHO%060d" % sent)
            sent += 1
        data = sock.recv(100)
        if data != b"ECHO%060d" % got:
            raise SystemExit("echo %d came as %r" % (got, data))
        got += 1
    sock.send(b"DONE")
    seen, wrong, joined = map(int, sock.recv(100).split())
    print(f"{count} datagrams, {seen} seen, {wrong} wrong, {joined} read in one, {got} echoes")
    if seen != count or wrong:
        raise SystemExit(1)


def main():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    addr = (sys.argv[2], int(sys.argv[3]))
    if sys.argv[1] == "take":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(addr)
        sys.exit(1 if take(sock) else 0)
    if len(sys.argv) > 5:
        sock.bind((sys.argv[5], 4433))
    sock.connect(addr)
    give(sock, random.Random(int(sys.argv[4])))


main()

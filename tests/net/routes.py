# SPDX-License-Identifier: BSD-2-Clause
"""The neighbourhood changes under live connections: what a program sees natively and under the shim.

    routes.py agent                     runs the lines it is given, and says what they gave
    routes.py WORLD 4|6 SRV CLI [NAME]  plays the scenarios between two namespaces, a line a look

WORLD is native or shim. Two veths join the namespaces: shim0 (10.77.1.0/24, fd77:1::/64) and shim1
(10.77.3.0/24, fd77:3::/64); 10.99.0.1 and fd99::1 are the client's too, beyond either. The agents are
the same program; only the server's runs under the shim. Every look must be the same in both worlds.
"""
import errno
import json
import os
import socket
import subprocess
import sys
import time

# What an agent's lines may use.
HELPERS = r'''
import errno, os, select, socket, threading, time
V6 = {4: socket.AF_INET, 6: socket.AF_INET6}
def tcp(fam): return socket.socket(V6[fam], socket.SOCK_STREAM)
def udp(fam): return socket.socket(V6[fam], socket.SOCK_DGRAM)
def listen(fam, port):
    s = tcp(fam)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::" if fam == 6 else "0.0.0.0", port))
    s.listen(64)
    return s
def dial(fam, to, port, frm=None, timeout=4):
    s = tcp(fam)
    s.settimeout(timeout)
    if frm:
        s.bind((frm, 0))
    s.connect((to, port))
    return s
def get(s, n, timeout=4):
    s.settimeout(timeout)
    got = b""
    while len(got) < n:
        d = s.recv(n - len(got))
        if not d:
            return "end"
        got += d
    return got.decode()
def error(s): return errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
def pattern(n): return (bytes(i * 7 & 255 for i in range(4096)) * (n // 4096 + 1))[:n]
class Bulk(threading.Thread):
    def __init__(self, s, n, read):
        super().__init__(daemon=True)
        self.s, self.n, self.read, self.done, self.right = s, n, read, 0, None
        s.settimeout(20)
        self.start()
    def run(self):
        data = pattern(self.n)
        try:
            if not self.read:
                while self.done < self.n:
                    self.done += self.s.send(data[self.done:self.done + 65536])
                    time.sleep(0.001)
                self.right = True
                return
            got = b""
            while len(got) < self.n:
                d = self.s.recv(1 << 20)
                if not d:
                    break
                got += d
                self.done = len(got)
            self.right = got == data
        except OSError as e:
            self.right = repr(e)
    def end(self):
        self.join(20)
        return self.right
'''


def agent():
    env = {}
    exec(HELPERS, env)
    for line in sys.stdin:
        code = json.loads(line)
        try:
            try:
                r = eval(code, env)
            except SyntaxError:
                r = exec(code, env)
        except socket.timeout:
            r = "timeout"
        except OSError as e:
            r = errno.errorcode.get(e.errno, str(e))
        except Exception as e:
            r = repr(e)
        print(json.dumps(r if isinstance(r, (int, str, bool, type(None))) else str(r)), flush=True)


class Agent:
    def __init__(self, ns, env):
        self.p = subprocess.Popen(
            ["ip", "netns", "exec", ns, "env", *env, sys.executable, "-u", __file__, "agent"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, code):
        self.p.stdin.write(json.dumps(code) + "\n")
        self.p.stdin.flush()

    def wait(self):
        line = self.p.stdout.readline()
        return json.loads(line) if line else "died"

    def __call__(self, code):
        self.start(code)
        return self.wait()

    def end(self):
        self.p.stdin.close()
        try:
            self.p.wait(5)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


class World:
    PORT = 7000

    def __init__(self, name, fam, srv, cli):
        self.name, self.ns = name, {"srv": srv, "cli": cli}
        self.looks, self.fam, self.port = [], fam, World.PORT

    def sh(self, side, *cmd):
        r = subprocess.run(["ip", "netns", "exec", self.ns[side], *cmd], capture_output=True, text=True)
        if r.returncode:
            print(f"# {side}: {' '.join(cmd)}: {r.stderr.strip()}", flush=True)
        if cmd[0] == "ip" and side == "srv":
            time.sleep(0.05)  # a busy stack looks for news every 10 ms
        return r.stdout

    def ip(self, side, cmd):
        return self.sh(side, "ip", "-6" if self.fam == 6 else "-4", *cmd.split())

    def link(self, side, cmd):
        return self.sh(side, "ip", "link", "set", *cmd.split())

    def up(self, side, v6):
        """With the addresses of IPv6, which went when it went down."""
        self.link(side, "shim0 up")
        self.sh(side, "ip", "addr", "add", f"{v6}/64", "dev", "shim0", "nodad")

    def sysctl(self, side, path, value):
        self.sh(side, "sh", "-c", f"echo {value} >/proc/sys/{path}")

    def addr(self, v4, v6):
        return v6 if self.fam == 6 else v4

    @property
    def srv(self):
        return self.addr("10.77.1.1", "fd77:1::1")

    @property
    def cli(self):
        return self.addr("10.77.1.2", "fd77:1::2")

    @property
    def far(self):
        return self.addr("10.99.0.1", "fd99::1")

    @property
    def bits(self):
        return self.addr(24, 64)

    @property
    def host(self):
        return self.addr(32, 128)

    def see(self, what, value):
        self.looks.append(f"{what}: {value}")

    def agents(self, ifaces="shim0,shim1"):
        env = []
        if self.name == "shim":
            env = [f"SHIM_IFACE={ifaces}", "SHIM_LOG=" + os.environ.get("SHIM_LOG", "warn"),
                   "LD_PRELOAD=" + os.environ["LIBSHIM"]]
        self.s, self.c = Agent(self.ns["srv"], env), Agent(self.ns["cli"], [])

    def pair(self, frm=None, to=None):
        """A connection from the client, accepted: `a` of the server's agent, `b` of the client's."""
        self.port += 1
        self.s(f"l = listen({self.fam}, {self.port})")
        r = self.c(f"b = dial({self.fam}, {to or self.srv!r}, {self.port}, {frm!r})")
        self.see("connect", r)
        self.s("l.settimeout(4)\na = l.accept()[0]")
        self.echo("begin")

    def echo(self, when, timeout=4):
        """A few bytes there and back."""
        self.c("b.sendall(b'there')")
        there = self.s(f"get(a, 5, {timeout})")
        self.s("a.sendall(b'again')")
        self.see(f"{when}: there", there)
        self.see(f"{when}: and back", self.c(f"get(b, 5, {timeout})"))

    def carried(self):
        """Natively there is nothing to ask; under the shim the stack must have the connections."""
        if self.name != "shim":
            return
        out = subprocess.run([os.environ["SHIMSTAT"], "--json", str(self.pid())],
                             capture_output=True, text=True).stdout
        n = sum(1 for f in json.loads(out)["families"] for s in f["stacks"] for c in s["connections"])
        if not n:
            self.see("the stack's connections", 0)

    def pid(self):
        return self.s("os.getpid()")

    def packets(self, dev):
        """Packets that came to the client over dev."""
        return int(self.sh("cli", "cat", f"/sys/class/net/{dev}/statistics/rx_packets"))


SCENARIOS = []
IFACES = {"route_leaves": ["shim0"]}  # what is attached, where it is not both


def scenario(f):
    SCENARIOS.append(f)
    return f


@scenario
def address_added(w):
    """A listener on the wildcard address serves an address that comes later."""
    w.pair()
    new = w.addr("10.77.1.5", "fd77:1::5")
    w.ip("srv", f"addr add {new}/{w.bits} dev shim0" + (" nodad" if w.fam == 6 else ""))
    w.sh("cli", "ping", "-c", "1", "-W", "3", new)
    w.pair(to=new)
    w.carried()
    w.ip("srv", f"addr del {new}/{w.bits} dev shim0")


@scenario
def address_removed(w):
    """A connection on an address that goes stands still, and goes on when it is back."""
    new = w.addr("10.77.1.5", "fd77:1::5")
    add = f"addr add {new}/{w.bits} dev shim0" + (" nodad" if w.fam == 6 else "")
    w.ip("srv", add)
    w.sh("cli", "ping", "-c", "1", "-W", "3", new)
    w.pair(to=new)
    w.carried()
    w.ip("srv", f"addr del {new}/{w.bits} dev shim0")
    w.c("b.sendall(b'there')")
    w.see("without: there", w.s("get(a, 5, 0.7)"))
    w.see("without: send", w.s("a.send(b'again')"))
    w.see("without: error", w.s("error(a)"))
    w.see("without: and back", w.c("get(b, 5, 0.7)"))
    w.see("without: a new one", w.c(f"dial({w.fam}, {new!r}, {w.port}, timeout=0.5)"))
    w.ip("srv", add)
    w.see("back: there", w.s("get(a, 5, 8)"))
    w.see("back: and back", w.c("get(b, 5, 8)"))
    w.echo("after")
    w.ip("srv", f"addr del {new}/{w.bits} dev shim0")


@scenario
def default_route_moves(w):
    """The way to a far peer moves to a gateway on the other interface, and is lost for a while."""
    gw1, gw3 = w.addr("10.77.1.2", "fd77:1::2"), w.addr("10.77.3.2", "fd77:3::2")
    w.ip("srv", f"route add default via {gw1} dev shim0")
    w.pair(frm=w.far)
    w.carried()
    before = w.packets("shim1")
    w.ip("srv", f"route replace default via {gw3} dev shim1")
    w.echo("moved")
    w.echo("moved, again")
    w.see("by the other interface", w.packets("shim1") - before >= 2)
    w.ip("srv", "route del default")
    w.c("b.sendall(b'there')")
    w.see("lost: there", w.s("get(a, 5)"))
    w.see("lost: send", w.s("a.send(b'again')"))
    w.see("lost: error", w.s("error(a)"))
    w.see("lost: and back", w.c("get(b, 5, 0.5)"))
    w.see("lost: connect", w.s(f"dial({w.fam}, {w.far!r}, 9)"))
    w.see("lost: datagram", w.s(f"udp({w.fam}).sendto(b'x', ({w.far!r}, 9))"))
    w.ip("srv", f"route add default via {gw1} dev shim0")
    w.see("back: and back", w.c("get(b, 5, 8)"))
    w.echo("after")
    w.ip("srv", "route del default")


@scenario
def route_leaves(w):
    """The way to a far peer moves to an interface that is not ours: what is new goes there."""
    gw1, gw3 = w.addr("10.77.1.2", "fd77:1::2"), w.addr("10.77.3.2", "fd77:3::2")
    w.ip("srv", f"route add default via {gw1} dev shim0")
    w.pair(frm=w.far)
    w.carried()
    w.s(f"u = udp({w.fam})\nu.bind((('::' if {w.fam} == 6 else '0.0.0.0'), 0))")
    w.see("datagram", w.s(f"u.sendto(b'x', ({w.far!r}, 9))"))
    w.ip("srv", f"route replace default via {gw3} dev shim1")
    w.c(f"m = listen({w.fam}, 7999)\nm.settimeout(4)")
    w.see("connect", w.s(f"d = dial({w.fam}, {w.far!r}, 7999)\nd.sendall(b'hello')"))
    w.see("it is there", w.c("get(m.accept()[0], 5)"))
    w.see("datagram", w.s(f"u.sendto(b'x', ({w.far!r}, 9))"))
    w.ip("srv", f"route replace default via {gw1} dev shim0")
    w.echo("back")
    w.pair(frm=w.far)
    w.ip("srv", "route del default")


@scenario
def neighbour_says_that_it_moved(w):
    """The peer's link address changes, and it announces that (RFC 5227 3, RFC 4861 7.2.6)."""
    w.pair()
    w.carried()
    w.c("time.sleep(1.2)")  # Linux believes no two changes within a second (locktime)
    w.sysctl("cli", f"net/{'ipv6' if w.fam == 6 else 'ipv4'}/conf/shim0/" +
             ("ndisc_notify" if w.fam == 6 else "arp_notify"), 1)
    w.link("cli", "shim0 address 02:00:00:00:00:77")
    w.s("t = time.monotonic()\na.sendall(b'moved')")
    w.see("and back", w.c("get(b, 5, 8)"))
    w.echo("after")
    w.see("it took no time", w.s("time.monotonic() - t < 1.5"))


@scenario
def routes_that_refuse(w):
    """blackhole, unreachable, prohibit and throw: for what is new, and for what is there."""
    gw = w.addr("10.77.1.2", "fd77:1::2")
    for kind in ("unreachable", "prohibit", "blackhole", "throw"):
        w.ip("srv", f"route add {w.far}/{w.host} via {gw} dev shim0")
        w.pair(frm=w.far)
        w.s(f"u = udp({w.fam})\nu.bind((('::' if {w.fam} == 6 else '0.0.0.0'), 0))")
        w.s(f"v = udp({w.fam})\nv.connect(({w.far!r}, 9))\nv.send(b'x')\ntime.sleep(.05)\nerror(v)")
        w.ip("srv", f"route del {w.far}/{w.host}")
        w.ip("srv", f"route add {kind} {w.far}/{w.host}")
        w.see(f"{kind}: connect", w.s(f"dial({w.fam}, {w.far!r}, 9)"))
        w.see(f"{kind}: sendto", w.s(f"u.sendto(b'x', ({w.far!r}, 9))"))
        w.see(f"{kind}: send", w.s("v.send(b'x')"))
        w.see(f"{kind}: connect a datagram socket", w.s(f"udp({w.fam}).connect(({w.far!r}, 9))"))
        w.c("b.sendall(b'there')")
        w.see(f"{kind}: there", w.s("get(a, 5)"))
        w.see(f"{kind}: TCP send", w.s("a.send(b'again')"))
        w.see(f"{kind}: error", w.s("error(a)"))
        w.see(f"{kind}: and back", w.c("get(b, 5, 0.4)"))
        w.ip("srv", f"route del {kind} {w.far}/{w.host}")
        w.ip("srv", f"route add {w.far}/{w.host} via {gw} dev shim0")
        w.see(f"{kind}, gone: and back", w.c("get(b, 5, 8)"))
        w.ip("srv", f"route del {w.far}/{w.host}")


@scenario
def neighbour_fails(w):
    """The peer does not answer for its address: what waits, what fails, and how it comes back."""
    w.pair()
    w.carried()
    w.s(f"u = udp({w.fam})\nu.connect(({w.cli!r}, 9))")
    w.link("cli", "shim0 arp off")
    w.ip("srv", "neigh flush dev shim0")
    w.s(f"c = tcp({w.fam})\nc.settimeout(8)\nt = time.monotonic()")
    w.see("connect", w.s(f"c.connect(({w.cli!r}, 9))"))
    w.see("it took the time of three questions", w.s("0.2 < time.monotonic() - t < 4"))
    w.see("send", w.s("a.send(b'again')"))
    w.see("datagram", w.s("u.send(b'x')"))
    w.s("time.sleep(1.5)")
    w.see("datagram's error", w.s("error(u)"))
    w.see("error", w.s("error(a)"))
    w.link("cli", "shim0 arp on")
    w.see("back: and back", w.c("get(b, 5, 12)"))
    w.echo("after")


@scenario
def neighbour_moves(w):
    """The peer's link address changes, and nobody says so."""
    w.pair()
    w.carried()
    old = json.loads(w.sh("cli", "ip", "-j", "link", "show", "shim0"))[0]["address"]
    w.sysctl("cli", f"net/{'ipv6' if w.fam == 6 else 'ipv4'}/conf/shim0/" +
             ("ndisc_notify" if w.fam == 6 else "arp_notify"), 0)
    for mac in ("02:00:00:00:77:02", old):
        w.link("cli", f"shim0 address {mac}")
        w.s("a.sendall(b'again')")
        w.see("moved: and back", w.c("get(b, 5, 15)"))
        w.echo("moved")


@scenario
def link_down_and_up(w):
    w.pair()
    w.carried()
    w.s(f"u = udp({w.fam})\nu.connect(({w.cli!r}, 9))")
    w.link("srv", "shim0 down")
    w.see("down: send", w.s("a.send(b'again')"))
    w.see("down: error", w.s("error(a)"))
    w.see("down: datagram", w.s("u.send(b'x')"))
    w.see("down: sendto", w.s(f"udp({w.fam}).sendto(b'x', ({w.cli!r}, 9))"))
    w.see("down: connect", w.s(f"dial({w.fam}, {w.cli!r}, 9, timeout=1)"))
    time.sleep(0.3)
    w.up("srv", "fd77:1::1")
    w.see("up: and back", w.c("get(b, 5, 12)"))
    w.echo("after")
    w.link("cli", "shim0 down")
    w.see("the other end down: send", w.s("a.send(b'again')"))
    time.sleep(0.3)
    w.up("cli", "fd77:1::2")
    w.see("up: and back", w.c("get(b, 5, 12)"))
    w.echo("after")


MSS = "a.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)"


@scenario
def mtu_changes(w):
    """Bulk flows both ways while the MTU of the link goes down and up."""
    n = 30000000
    w.pair()
    w.carried()
    w.s(f"r = Bulk(a, {n}, True)")
    w.c(f"r = Bulk(b, {n}, False)")
    w.s(f"w = Bulk(a, {n}, False)")
    w.c(f"w = Bulk(b, {n}, True)")
    for mtu in (1300, 1500, 1400, 1500):
        time.sleep(0.15)
        w.link("srv", f"shim0 mtu {mtu}")
        w.link("cli", f"shim0 mtu {mtu}")
    for agent, name in ((w.c, "there"), (w.s, "back")):
        w.see(f"{name}: right", agent("r.end()"))
        w.see(f"{name}: sent", agent("w.end()"))
    for mtu in (1300, 1500):
        w.link("srv", f"shim0 mtu {mtu}")
        w.link("cli", f"shim0 mtu {mtu}")
        w.echo(f"at {mtu}")
        w.see(f"at {mtu}: MSS", w.s(MSS))


@scenario
def mtu_of_ipv6(w):
    """The sysctl that narrows IPv6 alone. The kernel tells nobody of it."""
    if w.fam == 4:
        return
    w.pair()
    w.carried()
    for mtu in (1300, 1500):
        w.sysctl("srv", "net/ipv6/conf/shim0/mtu", mtu)
        time.sleep(1.5)
        w.echo(f"at {mtu}")
        w.echo(f"at {mtu}, again")
        w.see(f"at {mtu}: MSS", w.s(MSS))


@scenario
def route_mtu_changes(w):
    """A route's own MTU."""
    gw = w.addr("10.77.1.2", "fd77:1::2")
    w.ip("srv", f"route add {w.far}/{w.host} via {gw} dev shim0")
    w.pair(frm=w.far)
    w.carried()
    for mtu in (1300, 1400, 1500):
        w.ip("srv", f"route replace {w.far}/{w.host} via {gw} dev shim0 mtu {mtu}")
        w.echo(f"at {mtu}")
        w.echo(f"at {mtu}, again")
        w.see(f"at {mtu}: MSS", w.s(MSS))
    w.ip("srv", f"route del {w.far}/{w.host}")


def prepare(w):
    for side, own, ownv6 in (("srv", "10.77.3.1", "fd77:3::1"), ("cli", "10.77.3.2", "fd77:3::2")):
        w.sh(side, "ip", "addr", "add", f"{own}/24", "dev", "shim1")
        w.sh(side, "ip", "addr", "add", f"{ownv6}/64", "dev", "shim1", "nodad")
        w.link(side, "shim1 up")
        for v in ("ipv4", "ipv6"):
            for dev in ("shim0", "shim1"):
                # Neighbours are asked after in tenths of seconds, so that they fail in a second.
                for name, value in (("base_reachable_time_ms", 2000), ("retrans_time_ms", 300),
                                    ("delay_first_probe_time", 1)):
                    w.sysctl(side, f"net/{v}/neigh/{dev}/{name}", value)
        for dev in ("all", "shim0", "shim1"):
            w.sysctl(side, f"net/ipv4/conf/{dev}/rp_filter", 0)
            w.sysctl(side, f"net/ipv4/conf/{dev}/arp_ignore", 1)
    w.sh("cli", "ip", "addr", "add", "10.99.0.1/32", "dev", "lo")
    w.sh("cli", "ip", "addr", "add", "fd99::1/128", "dev", "lo", "nodad")


def main():
    name, fam, srv, cli = sys.argv[1:5]
    w = World(name, int(fam), srv, cli)
    prepare(w)
    for f in SCENARIOS:
        if len(sys.argv) > 5 and f.__name__ not in sys.argv[5:]:
            continue
        w.looks = []
        w.agents(*IFACES.get(f.__name__, []))
        f(w)
        for a in (w.s, w.c):
            a.end()
        for look in w.looks:
            print(f"{f.__name__} {w.fam} {look}", flush=True)


agent() if sys.argv[1] == "agent" else main()

# SPDX-License-Identifier: BSD-2-Clause
"""Servers and load for the demo and the bench.

A Rig knows the two namespaces that net.sh made (through the environment), starts each server twice,
once on the kernel and once under libshim, and drives load at either. Server and load are pinned to
different cores. Nothing here outlives the Rig: it kills, by pid, what it started.
"""
import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HZ = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Something did not work; the text is for the user."""


class Side:
    """One of the two that are compared: where its servers listen."""

    def __init__(self, name, addr, port_base, env):
        self.name, self.addr, self.port_base, self.env = name, addr, port_base, env

    def port(self, n):
        return self.port_base + n


REDIS, NGINX, BULK = 0, 1, 2


class Rig:
    def __init__(self, noise=False, both_sides=False, log="warn"):
        env = os.environ
        self.srv, self.cli = env["NET_SRV"], env["NET_CLI"]
        self.build = env["BUILD"]
        self.tmp = tempfile.mkdtemp(prefix="libshim-rig-")
        os.chmod(self.tmp, 0o755)
        self.procs = []
        cores = sorted(os.sched_getaffinity(0))
        self.srv_core, self.cli_core = cores[0], cores[-1]
        self.shimrun = os.path.join(self.build, "shimrun")
        self.lib = os.path.join(self.build, ".libs", "libshim.so")
        self.log_path = os.path.join(self.tmp, "shim.log")
        shim_env = {"LD_PRELOAD": self.lib, "SHIM_IFACE": env["NET_SHIM_IF"],
                    "SHIM_LOG": f"{log}:{self.log_path}"}
        self.both_sides = both_sides and not noise
        self.kernel = Side("kernel", env["NET_KERN_SRV"], 7000, {})
        # --noise: the kernel against itself, over the other pair.
        self.shim = Side("kernel-b" if noise else "shim", env["NET_SHIM_SRV"], 7100,
                         {} if noise else shim_env)
        self.noise = noise
        self.client_env = {}
        if self.both_sides:
            self.client_env = dict(shim_env)

    # ---- processes -------------------------------------------------------------------------

    def _spawn(self, ns, core, cmd, env, log):
        full = ["ip", "netns", "exec", ns] + (["taskset", "-c", str(core)] if core is not None
                                              else [])
        if env:  # after taskset: only the program itself is preloaded
            full += ["env"] + [f"{k}={v}" for k, v in env.items()]
        out = open(os.path.join(self.tmp, log), "ab")
        p = subprocess.Popen(full + cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        out.close()
        self.procs.append(p)
        return p

    def serve(self, side, name, cmd, port, pinned=True):
        p = self._spawn(self.srv, self.srv_core if pinned else None, cmd, side.env,
                        f"{name}-{side.name}.log")
        until = time.monotonic() + 15
        while time.monotonic() < until:
            if p.poll() is not None:
                break
            if self._connects(side.addr, port):
                return p
            time.sleep(0.05)
        tail = open(os.path.join(self.tmp, f"{name}-{side.name}.log"), errors="replace").read()
        raise Failed(f"{name} on {side.name} does not answer at {side.addr}:{port}\n"
                     + tail[-1500:] + self.shim_log())

    def _connects(self, addr, port):
        code = f"import socket; socket.create_connection(({addr!r}, {port}), 1).close()"
        return subprocess.run(["ip", "netns", "exec", self.cli, sys.executable, "-c", code],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=10).returncode == 0

    def stop(self, p):
        if p in self.procs:
            self.procs.remove(p)
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def close(self):
        for p in list(self.procs):
            self.stop(p)
        shutil.rmtree(self.tmp, ignore_errors=True)

    def client(self, cmd, timeout=120, env=None, stdin=None):
        """Runs load to its end in the client's namespace and gives what it printed."""
        full = ["ip", "netns", "exec", self.cli, "taskset", "-c", str(self.cli_core)]
        if env:
            full += ["env"] + [f"{k}={v}" for k, v in env.items()]
        r = subprocess.run(full + cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=timeout, text=True, errors="replace", input=stdin)
        if r.returncode != 0:
            raise Failed(f"{' '.join(cmd)}: status {r.returncode}\n{r.stdout[-500:]}"
                         f"{r.stderr[-1000:]}{self.shim_log()}")
        return r.stdout

    def load_env(self, side):
        return self.client_env if side is self.shim else {}

    def shim_log(self):
        try:
            text = open(self.log_path, errors="replace").read()
        except OSError:
            return ""
        return "\n" + text[-2000:] if text else ""

    # ---- servers ---------------------------------------------------------------------------

    def redis(self, side):
        port = side.port(REDIS)
        cmd = ["redis-server", "--port", str(port), "--bind", "0.0.0.0", "--save", "",
               "--appendonly", "no", "--protected-mode", "no", "--maxclients", "20000",
               "--dir", self.tmp, "--daemonize", "no"]
        return self.serve(side, "redis", cmd, port)

    FILES = {"0": 0, "612": 612, "64k": 65536, "1m": 1 << 20}

    def make_files(self):
        root = os.path.join(self.tmp, "www")
        os.makedirs(root, exist_ok=True)
        self.sums = {}
        for name, size in self.FILES.items():
            data = hashlib.shake_128(name.encode()).digest(size) if size else b""
            with open(os.path.join(root, name), "wb") as f:
                f.write(data)
            self.sums[name] = hashlib.sha256(data).hexdigest()
        return root

    def nginx(self, side, workers=1):
        """Several workers take whichever cores they find, the client's too."""
        port = side.port(NGINX)
        root = self.make_files()
        prefix = os.path.join(self.tmp, f"nginx-{side.name}")
        os.makedirs(os.path.join(prefix, "logs"), exist_ok=True)
        conf = os.path.join(prefix, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""
                daemon off; worker_processes {workers}; pid {prefix}/pid; user root;
                error_log {prefix}/error.log;
                events {{ worker_connections 20000; }}
                http {{
                    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
                    keepalive_timeout 300; default_type application/octet-stream;
                    client_body_temp_path {prefix}/b; proxy_temp_path {prefix}/p;
                    fastcgi_temp_path {prefix}/f; uwsgi_temp_path {prefix}/u;
                    scgi_temp_path {prefix}/s;
                    server {{ listen {port}; root {root}; }}
                }}""")
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        return self.serve(side, "nginx", [nginx, "-p", prefix, "-c", conf], port, workers == 1)

    def nginx_w2(self, side):
        return self.nginx(side, 2)

    def nginx_w4(self, side):
        return self.nginx(side, 4)

    def bulk(self, side):
        port = side.port(BULK)
        return self.serve(side, "bulk", [os.path.join(self.build, "tests/bench/bulk"), "serve",
                                         str(port)], port)

    # ---- load --------------------------------------------------------------------------------

    def redis_load(self, side, clients, pipeline, requests, tests="get,set"):
        """{test: {"rps":, "p50_ms":, "p99_ms":}}"""
        out = self.client(["redis-benchmark", "-h", side.addr, "-p", str(side.port(REDIS)), "-c",
                           str(clients), "-P", str(pipeline), "-n", str(requests), "-t", tests,
                           "--csv"], env=self.load_env(side), timeout=180)
        rows = csv.DictReader(io.StringIO("\n".join(
            line for line in out.splitlines() if line.startswith('"'))))
        got = {r["test"].split(" ")[0]: {"rps": float(r["rps"]),
                                         "p50_ms": float(r["p50_latency_ms"]),
                                         "p99_ms": float(r["p99_latency_ms"])} for r in rows}
        if len(got) != len(tests.split(",")):
            raise Failed(f"redis-benchmark said: {out[-500:]}")
        return got

    UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "us": 1e-3, "ms": 1,
             "s": 1e3, "m": 6e4}

    def http_load(self, side, path, conns, seconds, keepalive=True):
        """{"rps":, "mbps":, "p50_ms":, "p99_ms":}; any error of wrk's is one of ours."""
        url = f"http://{side.addr}:{side.port(NGINX)}/{path}"
        cmd = ["wrk", "-t1", f"-c{conns}", f"-d{seconds}s", "--latency"]
        if not keepalive:
            cmd += ["-H", "Connection: close"]
        out = self.client(cmd + [url], env=self.load_env(side), timeout=seconds + 60)

        def find(pattern):
            m = re.search(pattern, out)
            if not m:
                raise Failed(f"wrk said: {out}")
            return float(m.group(1)) * self.UNITS[m.group(2) if m.lastindex > 1 else ""]

        bad = re.search(r"Non-2xx.*|Socket errors:.*", out)
        # wrk counts the end of a connection that it was told to expect as a read error.
        if bad and not (not keepalive and re.search(r"connect 0, read \d+, write 0, timeout 0",
                                                    bad.group(0))):
            raise Failed(f"wrk on {side.name}: {bad.group(0)}")
        return {"rps": find(r"Requests/sec:\s+([\d.]+)"),
                "mbps": find(r"Transfer/sec:\s+([\d.]+)([KMG]?B)") * 8 / 1e6,
                "p50_ms": find(r"50%\s+([\d.]+)(us|ms|s|m)"),
                "p99_ms": find(r"99%\s+([\d.]+)(us|ms|s|m)")}

    def bulk_load(self, side, way, seconds):
        out = self.client([os.path.join(self.build, "tests/bench/bulk"), way, side.addr,
                           str(side.port(BULK)), str(seconds)], env=self.load_env(side),
                          timeout=seconds + 60)
        return {"mbps": float(out)}

    def idle(self, side, port, n):
        """Holds n idle connections; ended by stop()."""
        full = ["ip", "netns", "exec", self.cli, "taskset", "-c", str(self.cli_core),
                os.path.join(self.build, "tests/bench/idle"), side.addr, str(port), str(n)]
        p = subprocess.Popen(full, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.procs.append(p)
        line = p.stdout.readline()  # idle's own connects are bounded by the kernel's time-outs
        if line.strip() != "ready":
            raise Failed(f"{n} idle connections to {side.name}: {p.stderr.read()}"
                         + self.shim_log())
        return p

    def fetch_sum(self, side, path):
        cmd = ["ip", "netns", "exec", self.cli, "curl", "-sS", "--max-time", "20",
               f"http://{side.addr}:{side.port(NGINX)}/{path}"]
        r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
        if r.returncode != 0:
            raise Failed(f"curl: {r.stderr.decode(errors='replace')}")
        return hashlib.sha256(r.stdout).hexdigest()

    # ---- what was seen ------------------------------------------------------------------------

    def busy_s(self):
        """Seconds that the server's core has been busy, interrupts and all."""
        with open("/proc/stat") as f:
            for line in f:
                if line.startswith(f"cpu{self.srv_core} "):
                    v = [int(x) for x in line.split()[1:]]
                    return (sum(v[:8]) - v[3] - v[4]) / HZ
        raise Failed("no such core in /proc/stat")

    def tcp_in_segs(self):
        out = subprocess.run(["ip", "netns", "exec", self.srv, "cat", "/proc/net/snmp"],
                             stdout=subprocess.PIPE, text=True, timeout=10).stdout
        names, values = [line.split() for line in out.splitlines() if line.startswith("Tcp:")]
        return int(values[names.index("InSegs")])

    def kernel_conns(self, side, port):
        """Connections to the server's port that the kernel of its namespace has."""
        out = subprocess.run(["ip", "netns", "exec", self.srv, "ss", "-Htn", "state",
                              "established", "sport", "=", f":{port}"], stdout=subprocess.PIPE,
                             text=True, timeout=10).stdout
        return sum(side.addr in line for line in out.splitlines())

    def shimstat(self):
        r = subprocess.run([os.path.join(self.build, "shimstat"), "--json"],
                           stdout=subprocess.PIPE, text=True, timeout=30)
        if r.returncode not in (0, 1):
            raise Failed("shimstat could not look into the servers")
        return json.loads(r.stdout)

    def shim_conns(self, port):
        n = 0
        for fam in self.shimstat()["families"]:
            for st in fam["stacks"]:
                n += sum(c["local"].endswith(f":{port}") and c["state"] == "ESTAB"
                         for c in st["connections"])
        return n


def install_signals():
    def stop(sig, frame):
        raise Failed(f"stopped by signal {sig}")
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, stop)
    signal.signal(signal.SIGINT, stop)
    socket.setdefaulttimeout(10)

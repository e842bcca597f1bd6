# SPDX-License-Identifier: BSD-2-Clause
"""scripts/demo: redis and nginx, unmodified, on the kernel and then under libshim."""
import argparse
import subprocess
import sys
import time

from chart import chart
from rig import NGINX, Failed, Rig, install_signals


def say(text):
    print(text, flush=True)


def verify(rig):
    for side in (rig.kernel, rig.shim):
        for name, want in rig.sums.items():
            if rig.fetch_sum(side, name) != want:
                raise Failed(f"{name} from nginx on {side.name} is not what is on the disk")
    say(f"  content   {len(rig.sums)} files fetched from both, every sha256 as on the disk")


def prove(rig):
    """While clients are connected: the kernel has none of the connections, the stack all of them."""
    port, conns = rig.shim.port(NGINX), 20
    segs = rig.tcp_in_segs()
    wrk = subprocess.Popen(["ip", "netns", "exec", rig.cli, "taskset", "-c", str(rig.cli_core),
                            "wrk", "-t1", f"-c{conns}", "-d3s",
                            f"http://{rig.shim.addr}:{port}/612"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    rig.procs.append(wrk)
    time.sleep(1.5)
    kernel, shim = rig.kernel_conns(rig.shim, port), rig.shim_conns(port)
    out = wrk.communicate(timeout=30)[0]
    segs = rig.tcp_in_segs() - segs
    done = next((x for x in out.splitlines() if "requests in" in x), "").strip()
    say(f"  proof     of {conns} connections, while {done or 'wrk ran'}:")
    say(f"            ss shows {kernel}, shimstat shows {shim}; the kernel's TcpInSegs rose by "
        f"{segs}")
    if not rig.noise and (kernel or shim < conns):
        raise Failed("the stack did not carry the connections" + rig.shim_log())


def redis_rows(rig, quick):
    n, rows = 20000 if quick else 200000, []
    for clients, pipeline, mul in ((1, 1, .2), (50, 1, 1), (50, 16, 4)):
        what = f"{clients} client{'s' * (clients > 1)}, pipeline {pipeline}"
        say(f"  running   redis, {what}")
        k, s = (rig.redis_load(side, clients, pipeline, int(n * mul))
                for side in (rig.kernel, rig.shim))
        rows += [(f"redis {t}, {what}", "req/s", k[t]["rps"], s[t]["rps"]) for t in ("GET", "SET")]
        if clients == 1:
            rows.append(("redis GET, 1 client, latency p50", "us", k["GET"]["p50_ms"] * 1e3,
                         s["GET"]["p50_ms"] * 1e3))
    return rows


def nginx_rows(rig, quick):
    secs, rows = 1 if quick else 4, []
    for label, unit, path, key, keep in (
            ("nginx 612 B, keepalive", "req/s", "612", "rps", True),
            ("nginx 64 KB, keepalive", "Mbit/s", "64k", "mbps", True),
            ("nginx 612 B, new connections", "req/s", "612", "rps", False)):
        say(f"  running   {label}")
        k, s = (rig.http_load(side, path, 50, secs, keep)[key] for side in (rig.kernel, rig.shim))
        rows.append((label, unit, k, s))
    return rows


def main():
    ap = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    ap.add_argument("--svg", default="demo.svg", metavar="FILE", help="the chart (demo.svg)")
    ap.add_argument("--quick", action="store_true", help="a tenth of the work")
    ap.add_argument("--noise", action="store_true", help="the kernel against itself")
    a = ap.parse_args()
    install_signals()
    rig = Rig(noise=a.noise)
    begin = time.monotonic()
    try:
        say("  starting  redis-server, on the kernel and under libshim")
        servers = [rig.redis(side) for side in (rig.kernel, rig.shim)]
        rows = redis_rows(rig, a.quick)
        for p in servers:  # a queue of an interface has one owner
            rig.stop(p)
        say("  starting  nginx (1 worker), on the kernel and under libshim")
        for side in (rig.kernel, rig.shim):
            rig.nginx(side)
        verify(rig)
        rows += nginx_rows(rig, a.quick)
        prove(rig)
    except Failed as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    finally:
        rig.close()
    say(f"\n{'':36} {'':>7} {'kernel':>12} {rig.shim.name:>12} {'ratio':>7}")
    for label, unit, k, s in rows:
        say(f"{label:36} {unit:>7} {k:12,.0f} {s:12,.0f} {s / k if k else 0:6.2f}x")
    chart("Requests and bytes per second, one server core, veth",
          [r for r in rows if r[1] != "us"], a.svg)
    say(f"\nchart: {a.svg}   ({time.monotonic() - begin:.0f} s)")
    say("Clients ran on the kernel in both cases, server and client on a core each.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause
"""scripts/bench: kernel and shim in turn, medians and ratios.

A round runs one case on the kernel and right after it on the shim (the order changes from round to
round), because a machine's mood lasts longer than a round; the ratio is the median of the rounds'
ratios.
"""
import argparse
import json
import os
import statistics
import sys
import time

from rig import BULK, NGINX, REDIS, Failed, Rig, install_signals

IDLE_CONNS = 10000


class Case:
    """One line of the table. run(rig, side) gives (value, requests done or 0)."""

    def __init__(self, name, unit, higher, servers, run):
        self.name, self.unit, self.higher, self.servers, self.run = \
            name, unit, higher, servers, run


def redis_case(name, clients, pipeline, requests, key, unit, higher):
    def run(rig, side):
        n = requests // (5 if rig.quick else 1)
        got = rig.redis_load(side, clients, pipeline, n, "get")["GET"]
        return got[key], n
    return Case(name, unit, higher, ("redis",), run)


def http_case(name, path, conns, key, unit, keepalive=True, server="nginx"):
    def run(rig, side):
        secs = 1 if rig.quick else 3
        got = rig.http_load(side, path, conns, secs, keepalive)
        return got[key], got["rps"] * secs
    return Case(name, unit, True, (server,), run)


def bulk_case(name, way):
    def run(rig, side):
        return rig.bulk_load(side, way, 1 if rig.quick else 3)["mbps"], 0
    return Case(name, "Mbit/s", True, ("bulk",), run)


def idle_case():
    """redis under 10,000 idle connections: the cost of one that is ready must not change."""
    def run(rig, side):
        n = 200000 // (5 if rig.quick else 1)
        return rig.redis_load(side, 50, 1, n, "get")["GET"]["rps"], n
    c = Case("epoll_10k_idle", "req/s", True, ("redis",), run)
    c.idle = IDLE_CONNS
    return c


CASES = [
    redis_case("redis_c1", 1, 1, 60000, "rps", "req/s", True),
    redis_case("redis_c1_p50", 1, 1, 60000, "p50_ms", "ms", False),
    redis_case("redis_c50", 50, 1, 300000, "rps", "req/s", True),
    redis_case("redis_c50_p99", 50, 1, 300000, "p99_ms", "ms", False),
    redis_case("redis_c50_P16", 50, 16, 1500000, "rps", "req/s", True),
    http_case("nginx_612", "612", 50, "rps", "req/s"),
    http_case("nginx_612_w2", "612", 50, "rps", "req/s", server="nginx_w2"),
    http_case("nginx_612_w4", "612", 50, "rps", "req/s", server="nginx_w4"),
    http_case("nginx_64k", "64k", 50, "mbps", "Mbit/s"),
    http_case("nginx_1m", "1m", 20, "mbps", "Mbit/s"),
    http_case("nginx_short", "612", 50, "rps", "req/s", keepalive=False),
    bulk_case("bulk_down", "down"),
    bulk_case("bulk_up", "up"),
    idle_case(),
]
EXTRA = ["idle_memory", "pass_through"]


def measure(rig, case, side):
    busy0, t0 = rig.busy_s(), time.monotonic()
    value, requests = case.run(rig, side)
    busy = rig.busy_s() - busy0
    return {"value": value, "busy": busy / (time.monotonic() - t0),
            "busy_us": busy * 1e6 / requests if requests else None}


def run_case(rig, case, rounds):
    """Starts the case's server on both sides, idle connections too, and takes the rounds."""
    started, got = [], {rig.kernel.name: [], rig.shim.name: []}
    try:
        for side in (rig.kernel, rig.shim):
            for s in case.servers:
                started.append(getattr(rig, s)(side))
            if getattr(case, "idle", 0):
                started.append(rig.idle(side, side.port(REDIS), case.idle))
        for i in range(rounds):
            for side in (rig.kernel, rig.shim)[::-1 if i % 2 else 1]:
                got[side.name].append(measure(rig, case, side))
    finally:
        for p in reversed(started):
            rig.stop(p)
    return summary(rig, case.name, case.unit, case.higher, got)


def summary(rig, name, unit, higher, got):
    k, s = got[rig.kernel.name], got[rig.shim.name]
    ratios = [b["value"] / a["value"] for a, b in zip(k, s) if a["value"]]

    def med(side, key):
        v = [x[key] for x in side if x.get(key) is not None]
        return statistics.median(v) if v else None
    return {"name": name, "unit": unit, "higher_is_better": higher,
            "kernel": med(k, "value"), "shim": med(s, "value"),
            "ratio": statistics.median(ratios) if ratios else None,
            "ratio_min": min(ratios, default=None), "ratio_max": max(ratios, default=None),
            "kernel_busy": med(k, "busy"), "shim_busy": med(s, "busy"),
            "kernel_busy_us_per_request": med(k, "busy_us"),
            "shim_busy_us_per_request": med(s, "busy_us"), "rounds": {"kernel": k, "shim": s}}


def kb_of(path, keys):
    """The sum of some lines of a file like /proc/meminfo."""
    with open(path) as f:
        lines = dict(line.split(":", 1) for line in f if ":" in line)
    return sum(int(lines[k].split()[0]) for k in keys if k in lines)


def held_kb(server):
    """The server's own pages, the library's arena included, and the kernel's slabs. Free memory
    would tell of everything else that runs, too."""
    return kb_of(f"/proc/{server.pid}/status", ("RssAnon", "RssShmem")) + \
        kb_of("/proc/meminfo", ("SUnreclaim",))


def idle_memory(rig, rounds):
    """What a connection takes of the server's memory and the kernel's (the client's end, always the
    kernel's, included), server and client waiting."""
    got = {rig.kernel.name: [], rig.shim.name: []}
    n = IDLE_CONNS // (5 if rig.quick else 1)
    for i in range(rounds):
        for side in (rig.kernel, rig.shim)[::-1 if i % 2 else 1]:
            server = rig.redis(side)
            try:
                rig.stop(rig.idle(side, side.port(REDIS), 100))  # the first page of everything
                time.sleep(0.5)
                before = held_kb(server)
                held = rig.idle(side, side.port(REDIS), n)
                time.sleep(0.5)
                got[side.name].append({"value": (held_kb(server) - before) * 1024 / n})
                rig.stop(held)
            finally:
                rig.stop(server)
    return [summary(rig, "idle_memory", "bytes/conn", False, got)]


def pass_through(rig, rounds):
    """ns per call that is only passed on; the difference is the price."""
    prog = os.path.join(rig.build, "tests/bench/calls")
    env = dict(rig.shim.env)
    env["SHIM_IFACE"] = "none"
    by_call = {}
    for i in range(rounds):
        for side in (rig.kernel, rig.shim)[::-1 if i % 2 else 1]:
            for line in rig.client([prog], env=env if side is rig.shim else None).splitlines():
                call, ns = line.split()
                by_call.setdefault(call, {rig.kernel.name: [], rig.shim.name: []})
                by_call[call][side.name].append({"value": float(ns)})
    rows = []
    for call, got in by_call.items():
        row = summary(rig, f"pass_through_{call}", "ns", False, got)
        row["difference"] = min(x["value"] for x in got[rig.shim.name]) - \
            min(x["value"] for x in got[rig.kernel.name])
        rows.append(row)
    return rows


def number(v, digits=0):
    if v is None:
        return "-"
    if digits == 0 and abs(v) < 100:
        digits = 3 if abs(v) < 10 else 1
    return f"{v:,.{digits}f}"


def print_head(rig):
    print(f"{'':22} {'':>10} {rig.kernel.name:>12} {rig.shim.name:>12} {'ratio':>6} "
          f"{'(least - most)':>15}  {'busy us/request':>18}")


def print_row(r):
    ratio = f"{r['ratio']:.2f}" if r["ratio"] is not None else "-"
    spread = f"({r['ratio_min']:.2f} - {r['ratio_max']:.2f})" if r["ratio"] is not None else ""
    busy = ""
    if r["kernel_busy_us_per_request"]:
        busy = f"{r['kernel_busy_us_per_request']:.2f} -> {r['shim_busy_us_per_request']:.2f}"
    if "difference" in r:
        busy = f"{r['difference']:+.1f} ns"
    print(f"{r['name']:22} {r['unit']:>10} {number(r['kernel']):>12} {number(r['shim']):>12} "
          f"{ratio:>6} {spread:>15}  {busy:>18}", flush=True)


def main():
    ap = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.split("\n\n")[0],
                                 epilog="cases: " + " ".join([c.name for c in CASES] + EXTRA))
    ap.add_argument("--quick", action="store_true", help="fewer rounds of a fifth of the work")
    ap.add_argument("--only", action="append", metavar="NAME", help="this case (a prefix will do)")
    ap.add_argument("--rounds", type=int, help="rounds of each case (5; quick: 2)")
    ap.add_argument("--json", metavar="FILE", help="write everything there")
    ap.add_argument("--noise", action="store_true",
                    help="the kernel against itself: how much a ratio means")
    ap.add_argument("--both-sides", action="store_true",
                    help="run the load under libshim, too, when the server is")
    ap.add_argument("--list", action="store_true", help="list the cases")
    a = ap.parse_args()
    if a.list:
        print("\n".join([c.name for c in CASES] + EXTRA))
        return 0

    def wanted(name):
        return not a.only or any(name.startswith(o) for o in a.only)
    if a.only and not any(wanted(n) for n in [c.name for c in CASES] + EXTRA):
        ap.error("no such case")
    rounds = a.rounds or (2 if a.quick else 5)
    install_signals()
    rig = Rig(noise=a.noise, both_sides=a.both_sides)
    rig.quick = a.quick
    rows, failed = [], 0
    try:
        print_head(rig)
        jobs = [(c.name, lambda c=c: [run_case(rig, c, rounds)]) for c in CASES]
        jobs += [("idle_memory", lambda: idle_memory(rig, min(rounds, 3))),
                 ("pass_through", lambda: pass_through(rig, rounds))]
        for name, job in jobs:
            if not wanted(name):
                continue
            try:
                got = job()
            except Failed as e:
                failed += 1
                rows.append({"name": name, "error": str(e)})
                print(f"{name:22} FAILED: {e}", flush=True)
                continue
            for r in got:
                print_row(r)
            rows += got
    except Failed as e:
        print(f"bench: {e}", file=sys.stderr)
        failed += 1
    finally:
        rig.close()
    if a.json:
        uname = os.uname()
        with open(a.json, "w") as f:
            json.dump({"kernel": uname.release, "machine": uname.machine,
                       "cores": len(os.sched_getaffinity(0)), "rounds": rounds,
                       "quick": a.quick, "noise": a.noise, "both_sides": a.both_sides,
                       "cases": rows}, f, indent=1)
            f.write("\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause
"""redis's own suites. `redis` asks one server across a veth. `redis-own` and `redis-cluster` are
those that begin servers of their own on localhost, and stop, kill and restart them: there the
harness is under the shim, too, so that it and all that it starts are one family."""
import os
import re
import shutil

import commands
from core import which

PROGRAMS = ("redis-server", "redis-cli", "redis-benchmark", "redis-check-rdb", "redis-check-aof")


def plain(output):
    return re.sub(r"\x1b\[[0-9;]*m", "", output)


def results(unit, good, output):
    """What the harness says of each test; one that failed once has failed."""
    seen = {}
    for kind, name in re.findall(r"(?m)\[(ok|err|exception|skip|ignore)\]: (.*?)"
                                 r"(?: in tests/.*)?(?: \(\d+ ms\))?$", plain(output)):
        if unit == "integration/psync2":
            name = re.sub(r"\d+", "N", name)  # it draws its topology
        if seen.get(name) != "fail":
            seen[name] = {"ok": "pass", "skip": "skip", "ignore": "skip"}.get(kind, "fail")
    for name, how in seen.items():
        yield f"{unit}:{name}", how
    yield f"{unit}:(all of it)", "pass" if good else "fail"


class Redis(commands.Behind):
    """One server that is there already (the suite's --host). What needs servers of its own it leaves
    out by itself."""
    name, limit_s = "redis", 1500
    unit_s = 300

    def prepare(self, fetch):
        which("redis-server", "redis-server")
        which("tclsh", "tcl")
        self.tree = fetch.source("redis")

    def units(self):
        with open(os.path.join(self.tree, "tests", "test_helper.tcl"), encoding="utf-8") as f:
            return re.search(r"set ::all_tests \{(.*?)\}", f.read(), re.S).group(1).split()

    def command(self, unit, run, tmp):
        os.makedirs(os.path.join(tmp, "src"), exist_ok=True)
        shutil.copytree(os.path.join(self.tree, "tests"), os.path.join(tmp, "tests"))
        for b in ("redis-server", "redis-cli", "redis-benchmark"):
            os.symlink(shutil.which(b), os.path.join(tmp, "src", b))
        self.script(os.path.join(tmp, "go"), f"""
{commands.VETH} --server {self.server_env(run)} redis-server --bind 0.0.0.0 --protected-mode no \\
	--save '' --dir {tmp} --enable-debug-command yes >{tmp}/server 2>&1 &
p=$!
for _ in $(seq 100); do
	redis-cli -h $SUITE_HOST ping >/dev/null 2>&1 && break
	sleep 0.1
done
tclsh tests/test_helper.tcl --host $SUITE_HOST --port 6379 --single {unit} --tags -slow \\
	--ignore-digest
s=$?
kill $p
wait $p || {{ echo 'the server did not end in order'; tail -50 {tmp}/server; }}
exit $s
""")
        return [commands.VETH, os.path.join(tmp, "go")], {}, tmp

    def unit_of(self, test):
        return test.split(":")[0]

    def tests(self, unit, status, output):
        yield from results(unit, status == 0 and "did not end" not in output, output)


class RedisOwn(commands.Commands):
    """The suite as `make test` runs it but for what it calls slow, a unit a file."""
    name, limit_s = "redis-own", 2400
    unit_s = 600
    jobs = 2

    def prepare(self, fetch):
        for p in PROGRAMS:
            which(p, "redis-server" if p == "redis-server" else "redis-tools")
        which("tclsh", "tcl")
        self.tree = fetch.source("redis")

    def units(self):
        return Redis.units(self)

    def command(self, unit, run, tmp):
        os.makedirs(os.path.join(tmp, "src"), exist_ok=True)
        shutil.copytree(os.path.join(self.tree, "tests"), os.path.join(tmp, "tests"))
        for b in PROGRAMS:
            os.symlink(shutil.which(b), os.path.join(tmp, "src", b))
        os.symlink(shutil.which("redis-server"), os.path.join(tmp, "src", "redis-sentinel"))
        if run.way == "loopback":
            self.helpers_apart(os.path.join(tmp, "tests", "support", "util.tcl"))
        return self.harness(unit), run.env(), tmp

    @staticmethod
    def helpers_apart(path):
        """Load generators are killed at work: who dies inside the stack takes the family's
        connections along. They are not under the shim, and come by the kernel's loopback."""
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("exec $tclsh tests/helpers/",
                                 "exec env -u LD_PRELOAD $tclsh tests/helpers/"))

    def harness(self, unit):
        return ["tclsh", "tests/test_helper.tcl", "--clients", "1", "--single", unit, "--tags",
                "-slow"]

    def unit_of(self, test):
        return test.split(":")[0]

    def tests(self, unit, status, output):
        yield from results(unit, status == 0, output)

    def hung(self, unit, output):
        yield from self.tests(unit, None, output)


class RedisCluster(RedisOwn):
    """Twenty servers that are a cluster."""
    name = "redis-cluster"
    unit_s = 400
    jobs = 1

    def units(self):
        at = os.path.join(self.tree, "tests", "cluster", "tests")
        return sorted(f[:-len(".tcl")] for f in os.listdir(at) if f.endswith(".tcl"))

    def harness(self, unit):
        return ["tclsh", "tests/cluster/run.tcl", "--single", unit]

    def tests(self, unit, status, output):
        seen = {}
        for name, how in re.findall(r"(?m)^[\d:]+> (.*?): (OK|FAILED)\b",
                                    plain(output)):
            name = re.sub(r"\d+", "N", name)  # who fails over is drawn at random
            if seen.get(name) != "fail":
                seen[name] = "pass" if how == "OK" else "fail"
        for name, how in seen.items():
            yield f"{unit}:{name}", how
        yield f"{unit}:(all of it)", "pass" if status == 0 else "fail"


SUITES = [Redis(), RedisOwn(), RedisCluster()]

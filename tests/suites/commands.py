# SPDX-License-Identifier: BSD-2-Clause
"""Suites whose units are commands: one command, one or more tests. Units run in namespaces of their
own, a few at a time; one that does not end counts as hanging."""
import concurrent.futures
import os
import re
import shutil
import subprocess

import core
from core import HERE, which

VETH = os.path.join(HERE, "veth.sh")
SELF = "both ends are one process, on localhost"
TWO = "server and client are two programs, which share no stack"


class Commands:
    """What a suite has to say: units(), command(unit, run, tmp) giving (argv, variables, cwd), and
    how output is read: tests(unit, status, output) giving (test, status) pairs."""

    source = None
    ways = {"loopback", "kernel"}
    why_not = {"veth": SELF}
    quick = False
    unit_s = 60  # the time that one unit may take
    jobs = 3
    netns = True

    def units(self):
        raise NotImplementedError

    def command(self, unit, run, tmp):
        raise NotImplementedError

    def tests(self, unit, status, output):
        yield unit, "pass" if status == 0 else "fail"

    def unit_of(self, test):
        return test

    def version(self):
        with open(os.path.join(os.path.dirname(self.tree), "version"), encoding="utf-8") as f:
            return f.read().strip()

    def run(self, run, tmp, only=None):
        out = [re.compile(rx) for rx in run.left_out]
        done = {self.unit_of(t) for t in run.results.of}
        units = sorted({self.unit_of(t) for t in only}) if only else \
            [u for u in self.units() if u not in done]
        units = [u for u in units if not any(rx.fullmatch(u) for rx in out)]
        with concurrent.futures.ThreadPoolExecutor(1 if only else self.jobs) as pool:
            for unit, found in pool.map(lambda u: self.one(u, run, tmp), units):
                for test, status in found:
                    again = only and test not in only and test in run.results.of
                    if not again and not any(rx.fullmatch(test) for rx in out):
                        run.results.put(test, status)

    def one(self, unit, run, tmp):
        if run.left() <= 1:
            run.why = f"{self.limit_s} s were not enough"
            return unit, []
        at = os.path.join(tmp, re.sub(r"\W+", "_", unit))
        os.makedirs(at, exist_ok=True)
        os.chmod(at, 0o777)
        argv, env, cwd = self.command(unit, run, at)
        log = at + ".output"
        status = core.spawn(argv, env, min(self.unit_s, run.left()), log, cwd or at,
                            self.netns or run.way == "loopback")
        with open(log, "rb") as f:
            output = f.read().decode("utf-8", "replace")
        with open(run.out, "a", encoding="utf-8") as f:
            f.write(f"==== {unit}: {status}\n{output[-20000:]}\n")
        shutil.rmtree(at, ignore_errors=True)
        if status is None:
            return unit, list(self.hung(unit, output))
        return unit, list(self.tests(unit, status, output))

    def hung(self, unit, output):
        yield unit, "hang"


class Libuv(Commands):
    """Its tests leave files where they are begun, and its names of UNIX sockets are made relative:
    units do not meet."""
    name, limit_s = "libuv", 900

    def prepare(self, fetch):
        self.tree = fetch.built("libuv1", [
            "sed -i 's|/tmp/uv-test-sock|uv-test-sock|' test/task.h",
            "sh autogen.sh", "mkdir -p b && cd b && ../configure -q --disable-shared",
            "cd b && make -j2 check TESTS="], "b/test/run-tests")
        self.bin = os.path.join(self.tree, "b", "test", "run-tests")

    def units(self):
        p = subprocess.run([self.bin, "--list"], capture_output=True, text=True, check=True,
                           env={**os.environ, "UV_RUN_AS_ROOT": "1"})
        return re.findall(r"(?m)^(\w+)", p.stdout)

    def command(self, unit, run, tmp):
        shutil.copytree(os.path.join(self.tree, "test", "fixtures"),
                        os.path.join(tmp, "test", "fixtures"))
        return [self.bin, unit], {**run.env(), "UV_RUN_AS_ROOT": "1"}, tmp

    def tests(self, unit, status, output):
        good = re.search(rf"(?m)^ok .* {unit}( # SKIP)?", output)
        yield unit, "fail" if not good else "skip" if good.group(1) else "pass"


class Libevent(Commands):
    name, limit_s = "libevent", 900

    def prepare(self, fetch):
        self.tree = fetch.built("libevent", [
            "autoreconf -fi", "mkdir -p b && cd b && ../configure -q --disable-samples",
            "cd b && make -j2"], "b/test/.libs/regress")
        self.lib = os.path.join(self.tree, "b", ".libs")
        self.bin = os.path.join(self.tree, "b", "test", ".libs", "regress")

    def units(self):
        p = subprocess.run([self.bin, "--list-tests"], capture_output=True, text=True, check=False,
                           env={**os.environ, "LD_LIBRARY_PATH": self.lib})
        return re.findall(r"(?m)^    (\S+/\S+)$", p.stdout + p.stderr)

    def command(self, unit, run, tmp):
        return [self.bin, unit], {**run.env(), "LD_LIBRARY_PATH": self.lib}, None

    def tests(self, unit, status, output):
        skip = status == 0 and ("SKIPPED" in output or "DISABLED" in output)
        yield unit, "skip" if skip else "pass" if status == 0 else "fail"


class Tcl(Commands):
    """Tests that need tcltest's own build of the shell are skipped by it, natively, too."""
    name, limit_s = "tcl", 400
    unit_s = 180

    def prepare(self, fetch):
        which("tclsh", "tcl")
        self.tree = fetch.source("tcl8.6")

    def units(self):
        return ["socket", "event", "io", "chanio", "ioCmd"]

    def command(self, unit, run, tmp):
        return ["tclsh", os.path.join(self.tree, "tests", unit + ".test"), "-verbose", "pste",
                "-tmpdir", tmp], run.env(), None

    def unit_of(self, test):
        return test.split("/")[0]

    def tests(self, unit, status, output):
        for kind, word in (("PASSED", "pass"), ("FAILED", "fail")):
            for test in set(re.findall(rf"(?m)^(?:====|\+\+\+\+) (\S+).*{kind}$", output)):
                yield f"{unit}/{test}", word
        if not re.search(r"(?m)^\S+\.test:\tTotal", output):
            yield f"{unit}/(all of it)", "crash"
        else:
            yield f"{unit}/(all of it)", "pass"

    def hung(self, unit, output):
        yield from self.tests(unit, None, output)


class Node(Commands):
    """Debian's test files, run by the node that is here."""
    name, limit_s = "node", 1500
    unit_s = 60
    patterns = ("net", "http", "dgram", "cluster")

    def prepare(self, fetch):
        self.bin = which("node", "nodejs")
        self.tree = fetch.source_files("nodejs", [
            "*/test/common", "*/test/fixtures", "*/test/parallel/test-net*",
            "*/test/parallel/test-http*", "*/test/parallel/test-dgram*",
            "*/test/parallel/test-cluster*"])

    def units(self):
        at = os.path.join(self.tree, "test", "parallel")
        return sorted(f for f in os.listdir(at) if re.match(
            rf"test-({'|'.join(self.patterns)})\b.*\.m?js$", f.replace("http2", "http-2")))

    def command(self, unit, run, tmp):
        path = os.path.join(self.tree, "test", "parallel", unit)
        with open(path, encoding="utf-8", errors="replace") as f:
            flags = re.findall(r"(?m)^// Flags: (.*)$", f.read())
        return [self.bin] + " ".join(flags).split() + [path], \
            {**run.env(), "NODE_TEST_DIR": tmp, "TEST_THREAD_ID": "0"}, None

    def tests(self, unit, status, output):
        skip = status == 0 and re.search(r"(?m)^1\.\.0 # Skipped", output)
        yield unit, "skip" if skip else "pass" if status == 0 else "fail"


class Behind(Commands):
    """A server behind a veth, the suite's client before it; natively it is the same without the
    shim. `kernel` has the server under the shim on kernel sockets, over that veth, too."""
    ways = {"veth", "kernel"}
    why_not = {"loopback": TWO}
    netns = False
    jobs = 2

    def server_env(self, run):
        return " ".join(f"{k}={v}" for k, v in run.env().items())

    @staticmethod
    def script(path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/bash\n" + text)
        os.chmod(path, 0o755)


class Memcached(Behind):
    """A unit is a file of t/, over TCP and UDP: memcached's help is kept from telling of UNIX
    sockets, which the tests would use. On loopback the test is under the shim, too, so that it and
    the servers that it starts are one family."""
    name, limit_s = "memcached", 900
    ways = {"loopback", "veth", "kernel"}
    why_not = {}
    unit_s = 180  # maxconns.t starts 6000 programs

    def prepare(self, fetch):
        self.bin = which("memcached", "memcached")
        self.tree = fetch.source("memcached")

    def units(self):
        at = os.path.join(self.tree, "t")
        return sorted(f for f in os.listdir(at) if f.endswith(".t") and not f.startswith("ssl"))

    def command(self, unit, run, tmp):
        shutil.copytree(os.path.join(self.tree, "t"), os.path.join(tmp, "t"))
        self.files_apart(os.path.join(tmp, "t", unit), tmp)
        for f in os.listdir(self.tree):
            if re.search(r"\.(c|h|lua|txt|ac)$|^(devtools|doc)$", f):
                os.symlink(os.path.join(self.tree, f), os.path.join(tmp, f))
        pm = os.path.join(tmp, "t", "lib", "MemcachedTest.pm")
        with open(pm, encoding="utf-8") as f:
            text = f.read()
        text = text.replace("my $host = '127.0.0.1';", "my $host = $ENV{SUITE_HOST};")
        text = text.replace('$args .= " -o relaxed_privileges";', "")  # Debian's has it not
        text = text.replace('PeerAddr => "127.0.0.1:$port"', 'PeerAddr => "$host:$port"')
        with open(pm, "w", encoding="utf-8") as f:
            f.write(text)
        here = run.way == "loopback"
        server = self.bin if here else f"{VETH} --server {self.server_env(run)} {self.bin}"
        self.script(os.path.join(tmp, "memcached-debug"), f"""
[ "${{1-}}" != -h ] || {{ {self.bin} -h | grep -v unix-socket; exit; }}
exec {server} "${{@//127.0.0.1/$SUITE_HOST}}"
""")
        self.script(os.path.join(tmp, "timedrun"), 'shift; exec "$@"\n')
        if here:
            return ["perl", os.path.join(tmp, "t", unit)], \
                {**run.env(), "SUITE_HOST": "127.0.0.1"}, tmp
        return [VETH, "perl", os.path.join(tmp, "t", unit)], {}, tmp

    @staticmethod
    def files_apart(path, tmp):
        """Files are named after the process, and two namespaces have the same numbers."""
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("/tmp/", f"{tmp}/"))

    def tests(self, unit, status, output):
        if re.search(r"(?m)^1\.\.0 # SKIP", output):
            yield unit, "skip"
            return
        seen = {}
        for good, n, name in re.findall(r"(?m)^(not ok|ok) (\d+)(?: - (.*))?$", output):
            # How often maxconns.t sees a refusal is a race, natively, too.
            test = name if unit == "maxconns.t" else n
            if seen.get(test) != "fail":
                seen[test] = "fail" if good == "not ok" else "pass"
        for test, how in seen.items():
            yield f"{unit}/{test}", how
        yield unit, "pass" if status == 0 else "fail"

    def unit_of(self, test):
        return test.split("/")[0]


SUITES = [Libuv(), Libevent(), Tcl(), Memcached(), Node()]

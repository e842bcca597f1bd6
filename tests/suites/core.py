# SPDX-License-Identifier: BSD-2-Clause
"""What all suites share: the ways to run them, namespaces, results kept per test, the comparison.

A Suite names its tests and runs them; each test ends as `pass`, `fail`, `skip`, `hang` or `crash`.
What passes natively and does not pass under the shim is a difference. It is looked at once more,
alone, and stays one when it comes again. Those that are known stand in tests/suites/known, with the
reason; a row there that no test bears out any more is an error, too.
"""
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or os.path.join(TOP, "build")
LIB = os.path.join(BUILD, ".libs", "libshim.so")
HERE = os.path.join(TOP, "tests", "suites")
NATIVE = "native"
WAYS = ("loopback", "veth", "kernel")


class Missing(Exception):
    """Something that a suite needs is not here; the text says what."""


def say(text):
    print(text, flush=True)


def way_env(way, log):
    """The variables that make a way; log: where the shim says what became of each socket."""
    if way == NATIVE:
        return {}
    env = {"LD_PRELOAD": LIB, "SHIM_LOG": f"info:{log}"}
    env["SHIM_IFACE"] = "shim0" if way == "veth" else "none"
    if way == "loopback":
        env["SHIM_LOOPBACK"] = "1"
    return env


def on_stack(log):
    """How many sockets the stack has served, by a log of verdicts."""
    try:
        with open(log, "rb") as f:
            return f.read().count(b": stack: ")
    except OSError:
        return 0


def spawn(cmd, env, limit_s, out, cwd, netns=True):
    """Runs cmd in a network namespace of its own, which has a loopback. Returns its status, or None
    when it had to be ended; whatever it started ends with it."""
    full = list(cmd)
    if netns:
        # A process namespace, too: nothing that cmd leaves behind outlives it.
        full = ["unshare", "-n", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c",
                'ip link set lo up && exec env "$@"', "sh"]
        full += [f"{k}={v}" for k, v in env.items()] + list(cmd)
        env = {}
    with open(out, "ab") as f:
        # What was set for us, SHIM_SUITES and all, is not meant for the programs.
        here = {k: v for k, v in os.environ.items() if not k.startswith("SHIM_")}
        p = subprocess.Popen(full, stdin=subprocess.DEVNULL, stdout=f, stderr=f, cwd=cwd,
                             env={**here, **env}, start_new_session=True)
        try:
            return p.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            p.wait()


def which(name, package):
    path = shutil.which(name)
    if not path:
        raise Missing(f"{name} is not installed (package {package})")
    return path


# ---- results -----------------------------------------------------------------------------------

def lib_key():
    with open(LIB, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:16]


class Results:
    """How each test ended, kept in a file: a first line that says what was tested, then a line
    `STATUS TEST` for each. Of another program, library or kernel they are thrown away."""

    def __init__(self, path, key):
        self.path, self.key, self.of = path, key, {}
        try:
            with open(path, encoding="utf-8") as f:
                if f.readline().rstrip("\n") == key:
                    for row in f:
                        status, _, test = row.rstrip("\n").partition(" ")
                        self.of[test] = status
        except OSError:
            pass
        if not self.of:
            self.forget()

    def forget(self):
        self.of = {}
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(self.key + "\n")

    def put(self, test, status):
        self.of[test] = status
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(f"{status} {test}\n")

    def count(self, status):
        return sum(s == status for s in self.of.values())


class Run:
    """One suite one way: what it is given to run in, and where its results go."""

    def __init__(self, suite, way, cache, left_out, fresh=False):
        base = os.path.join(cache, "results", f"{suite.name}.{way}")
        os.makedirs(os.path.dirname(base), exist_ok=True)
        self.suite, self.way, self.left_out = suite, way, left_out
        self.out, self.log = base + ".out", base + ".shim"
        key = f"{suite.version()} {platform.release()}"
        self.results = Results(base, key if way == NATIVE else f"{key} {lib_key()}")
        if fresh:
            self.results.forget()
        if not self.results.of:
            for f in (self.out, self.log):
                if os.path.exists(f):
                    os.unlink(f)
        self.begun = time.monotonic()
        self.why = ""

    def env(self):
        return way_env(self.way, self.log)

    def spawn(self, cmd, env, cwd, limit_s=None, netns=True):
        left = max(1, self.left())
        return spawn(cmd, env, min(limit_s or left, left), self.out, cwd, netns)

    def left(self):
        return self.suite.limit_s - (time.monotonic() - self.begun)

    def go(self, only=None):
        """Runs what has no result yet; with only, those tests, whatever they have."""
        self.begun = time.monotonic()
        tmp = tempfile.mkdtemp(prefix="libshim-suite-")
        os.chmod(tmp, 0o755)
        try:
            self.suite.run(self, tmp, only)
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
        return self


# ---- what is known -----------------------------------------------------------------------------

class Known:
    """tests/suites/known: rows `SUITE WAY TEST REASON`, TEST a regular expression. The way `skip`:
    not to be run at all."""

    def __init__(self):
        self.rows = []
        with open(os.path.join(HERE, "known"), encoding="utf-8") as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    suite, way, test, reason = line.split(None, 3)
                    self.rows.append((suite, way, re.compile(test), reason.strip()))
        self.used = set()

    def why(self, suite, way, test):
        for i, (s, w, t, reason) in enumerate(self.rows):
            if s == suite and w in (way, "any") and t.fullmatch(test):
                self.used.add(i)
                return reason
        return None

    def left_out(self, suite):
        return [t.pattern for s, w, t, _ in self.rows if s == suite and w == "skip"]

    def stale(self, done):
        """Rows that nothing has borne out, of (suite, way) pairs that were run in full."""
        for i, (suite, way, test, reason) in enumerate(self.rows):
            if i not in self.used and way != "skip" and (suite, way) in done:
                yield f"{suite} {way} {test.pattern}: {reason}"


def differences(native, shim):
    return [t for t, s in native.of.items() if s == "pass" and shim.of.get(t) not in ("pass", None)]


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)

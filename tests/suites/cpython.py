# SPDX-License-Identifier: BSD-2-Clause
"""CPython's own tests, of the packages libpython3.11-testsuite and python3.11 (or what is Debian's
python3), run by unittests.py. A suite is one module."""
import glob
import os
import subprocess

from core import HERE, Missing

PYTHON = "/usr/bin/python3"
NETWORK = ("test_socketserver",)  # modules that ask for this resource and stay on loopback


class CPython:
    ways = {"loopback", "kernel"}
    why_not = {"veth": "both ends are one process, on localhost"}
    source = None
    package = "libpython3.11-testsuite"

    def __init__(self, module, limit_s, quick=False):
        self.name, self.module, self.limit_s, self.quick = module, module, limit_s, quick

    def version(self):
        return subprocess.run([PYTHON, "-VV"], capture_output=True, text=True,
                              check=True).stdout.strip().replace("\n", " ")

    def prepare(self, fetch):
        """The tests where the package has put them, else a copy of it."""
        self.path = None
        lib = subprocess.run([PYTHON, "-c", "import test; print(test.__path__[0])"],
                             capture_output=True, text=True, check=False).stdout.strip()
        if lib and glob.glob(os.path.join(lib, self.module + "*")):
            return
        minor = subprocess.run([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                               capture_output=True, text=True, check=True).stdout.strip()
        at = fetch.package(f"libpython{minor}-testsuite")
        found = glob.glob(os.path.join(at, "usr/lib/python3*/test/test_socket.py"))
        if not found or not lib:
            raise Missing(f"CPython's tests are not here (package libpython{minor}-testsuite)")
        self.path = fetch.merged("python-test", [lib, os.path.dirname(found[0])], "test")

    def run(self, run, tmp, only=None):
        rows, done = os.path.join(tmp, "rows"), os.path.join(tmp, "done")
        env = run.env()
        if self.path:
            env["PYTHONPATH"] = self.path
        seen = set() if only else set(run.results.of)
        for _ in range(30):
            with open(done, "w", encoding="utf-8") as f:
                f.write("\n".join(sorted(seen)))
            open(rows, "w", encoding="utf-8").close()
            cmd = [PYTHON, "-u", os.path.join(HERE, "unittests.py"), "--done", done]
            cmd += ["--network"] if self.module in NETWORK else []
            cmd += [a for rx in run.left_out for a in ("--leave-out", rx)]
            cmd += [a for test in only or () for a in ("--only", test)]
            cmd += [rows, "test." + self.module]
            status = run.spawn(cmd, env, tmp)
            open_test = self.take(rows, run, seen)
            if status == 0 or run.left() <= 0:
                break
            if open_test is None:
                run.why = f"ended with {status}"
                break
            run.results.put(open_test, "hang" if status == 75 else "crash")
            seen.add(open_test)

    @staticmethod
    def take(rows, run, seen):
        """Puts the rows among the results. A test that began and did not end, or None."""
        begun = None
        with open(rows, encoding="utf-8") as f:
            for row in f:
                status, _, test = row.rstrip("\n").partition(" ")
                if status == "begin":
                    begun = test
                    continue
                run.results.put(test, status)
                seen.add(test)
                if test == begun:
                    begun = None
        return begun


SUITES = [
    CPython("test_socket", 300, quick=True),
    CPython("test_selectors", 120, quick=True),
    CPython("test_epoll", 60, quick=True),
    CPython("test_poll", 60, quick=True),
    CPython("test_select", 60, quick=True),
    CPython("test_socketserver", 60, quick=True),
    CPython("test_smtplib", 60),
    CPython("test_ftplib", 120),
    CPython("test_httpservers", 60),
    CPython("test_ssl", 200),
    CPython("test_asyncio", 600),
]

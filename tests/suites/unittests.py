#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs modules of CPython's own tests, and says of each test how it ended, one line each:

    unittests.py [--done FILE] [--leave-out REGEX ...] [--only ID ...] [--network]
                 [--limit SECONDS] RESULTS MODULE ...

appends `STATUS ID` to RESULTS (pass, fail or skip), and `begin ID` before each test, so that
whoever reads it knows which one hung or crashed. A test that takes longer than the limit (20 s) ends the
process with status 75; called again with what has a result in FILE, one ID a line, it goes on
behind that one.
"""
import argparse
import faulthandler
import os
import re
import sys
import threading
import unittest

HUNG = 75


class Watch:
    """Ends the process when a test takes too long: nothing else gets a thread out of a call."""

    def __init__(self, limit_s):
        self.limit_s = limit_s
        self.timer = None

    def begin(self):
        self.timer = threading.Timer(self.limit_s, self.hung)
        self.timer.daemon = True
        self.timer.start()

    def end(self):
        self.timer.cancel()
        self.timer.join()

    def hung(self):
        faulthandler.dump_traceback()
        os._exit(HUNG)


class Result(unittest.TextTestResult):
    out = None

    def say(self, what, test):
        os.write(self.out, f"{what} {test.id().split(' ')[0]}\n".encode())

    def startTest(self, test):
        super().startTest(test)
        self.bad = False
        self.say("begin", test)

    def addSuccess(self, test):
        super().addSuccess(test)
        if not self.bad:
            self.say("pass", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.bad = True
        self.say("fail", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad = True
        self.say("fail", test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err and not self.bad:
            self.bad = True
            self.say("fail", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skip", test)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.say("pass", test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.say("fail", test)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--done")
    ap.add_argument("--leave-out", action="append", default=[])
    ap.add_argument("--only", action="append", default=[])
    ap.add_argument("--network", action="store_true")
    ap.add_argument("--limit", type=float, default=20)
    ap.add_argument("results")
    ap.add_argument("modules", nargs="+")
    args = ap.parse_args()

    done = set()
    if args.done:
        with open(args.done, encoding="utf-8") as f:
            done = set(f.read().split())
    from test import support

    support.use_resources = ["network"] if args.network else []
    support.verbose = True
    Result.out = os.open(args.results, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    watch = Watch(args.limit)

    class Timed(Result):
        def startTest(self, test):
            super().startTest(test)
            watch.begin()

        def stopTest(self, test):
            watch.end()
            super().stopTest(test)

    todo = unittest.TestSuite()

    def wanted(test):
        name = test.id()
        return name not in done and (not args.only or name in args.only) and \
            not any(re.fullmatch(rx, name) for rx in args.leave_out)

    def pick(suite):
        return type(suite)(pick(t) if isinstance(t, unittest.TestSuite) else t for t in suite
                           if isinstance(t, unittest.TestSuite) or wanted(t))

    for name in args.modules:
        todo.addTest(pick(unittest.defaultTestLoader.loadTestsFromName(name)))
    unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Timed).run(todo)


if __name__ == "__main__":
    main()

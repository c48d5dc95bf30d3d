"""sluicectl crashes shows how the last workers died."""

import calendar
import os
import re
import signal
import time

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive, test_plugin, wait_until)


def daemon(workers=1, **options):
    return Daemon(listener("room", test_plugin("crasher"),
                           options=dict({"at": "data", "how": "segv"},
                                        **options)),
                  control="control.sock", workers=workers, probation=0,
                  pairs=False)


def crash(d):
    since = d.mark()
    s = d.connect()
    s.sendall(b"x")
    expect_gone(s)
    d.wait_log(r"worker 1 \(pid \d+\) started", since)


def test_none():
    with daemon(at="never") as d:
        equal(d.ask("crashes"), {"ok": True, "count": 0, "crashes": []})
        result = d.sluicectl("crashes")
        equal((result.returncode, result.stdout),
              (0, "no worker has died\n"))


def test_reports():
    with daemon() as d:
        pid = d.workers()[0]
        before = time.time()
        crash(d)
        said = d.ask("crashes")
        equal(said["count"], 1)
        one = said["crashes"][0]
        equal((one["worker"], one["pid"], one["generation"]), (1, pid, 1))
        check("SIGSEGV" in one["how"], one)
        for what in ("crasher", "data", "127.0.0.1:"):
            check(what in one["report"], what, "in", one)
        when = time.strptime(one["time"][:19], "%Y-%m-%dT%H:%M:%S")
        check(-2 < calendar.timegm(when) - before < 60, one["time"])

        result = d.sluicectl("crashes")
        equal((result.returncode, result.stderr), (0, ""))
        lines = result.stdout.splitlines()
        check(re.match(r"20\S+Z worker 1 \(pid %d\), generation 1, was killed "
                       r"by SIGSEGV" % pid, lines[0]), lines[0])
        check(len(lines) > 3, lines)
        for line in lines[1:]:
            check(line.startswith("    "), line)


def test_killed_for_its_memory_perhaps():
    with daemon(at="never") as d:
        pid = d.workers()[0]
        os.kill(pid, signal.SIGKILL)
        d.wait_log("error master: worker 1: if nobody has sent that signal, "
                   "the kernel did, for lack of memory: see journalctl -k")
        wait_until(lambda: d.workers()[0] != pid, "the next one")
        os.kill(d.workers()[0], signal.SIGALRM)
        d.wait_log("was killed by SIGALRM")
        equal(len(d.log_lines("for lack of memory")), 1)


def test_only_the_last_are_kept():
    with daemon(workers=10, at="never") as d:
        pids = []
        for number in range(20):
            worker = number % 10
            pid = d.workers()[worker]
            pids.append(pid)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: d.workers()[worker] != pid, "the next one")
        said = d.ask("crashes")
        equal(said["count"], 20)
        equal([one["pid"] for one in said["crashes"]], pids[-16:])
        check("the last 16 of 20:" in d.sluicectl("crashes").stdout)


main()

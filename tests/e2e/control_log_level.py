"""sluicectl log-level changes what is logged, until the next reload."""

import os
import signal

from sluice_test import (Daemon, check, equal, listener, main, plugin,
                         receive, wait_until)


def speaks(d):
    """Are there debug lines of the master, and of each worker?"""
    since = d.mark()
    for _ in range(20):
        with d.connect() as s:
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
    d.ask("status")
    d.settle()
    return (bool(d.log_lines("debug master: ", since)),
            bool(d.log_lines("debug worker", since)))


def test_until_the_next_reload():
    with Daemon(listener("echo", plugin("echo")), workers=2,
                control="control.sock") as d:
        equal(speaks(d), (False, False))
        said = d.sluicectl("log-level", "debug")
        equal((said.returncode, said.stdout),
              (0, "logging at level debug until the next reload\n"))
        check(d.log_lines(r"control socket, uid \d+, process \d+: logging at "
                          r"level debug until the next reload$"))
        wait_until(lambda: speaks(d) == (True, True), "debug lines")
        # A worker that is started again does as the others.
        for pid in d.workers():
            os.kill(pid, signal.SIGKILL)
        d.wait_log(r"worker \d \(pid \d+\) started", count=4)
        wait_until(lambda: speaks(d) == (True, True), "debug lines")
        d.settings["drain_timeout"] = "31s"
        d.write_config()
        d.reload_ready()
        equal(speaks(d), (False, False))


def test_less():
    with Daemon(listener("echo", plugin("echo")),
                control="control.sock") as d:
        equal(d.ask("log-level", level="error")["ok"], True)
        since = d.mark()
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        s.close()
        wait_until(lambda: d.ask("conns")["matched"] == 0, "the end")
        equal(d.log_lines("closed why=", since), [])


def test_mistakes():
    with Daemon(listener("echo", plugin("echo")),
                control="control.sock") as d:
        for words, status, what in ((["loud"], 1, "it is one of"),
                                    ([], 2, "needs a value"),
                                    (["info", "debug"], 2, "no option")):
            said = d.sluicectl("log-level", *words)
            equal(said.returncode, status, words)
            check(what in said.stderr, said.stderr)
        check(not d.ask("log-level")["ok"])


main()

"""A worker that keeps crashing is restarted after longer and longer waits, but
at once after a reload with new code."""

import re
import time

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive, test_plugin, wait_until)


def room(at):
    return listener("room", test_plugin("crasher"),
                    options={"at": at, "how": "segv"})


def crash(d, count):
    d.wait_log(r"worker 1 \(pid \d+\) started", count=count + 1)
    s = d.connect()
    s.sendall(b"x")
    expect_gone(s)
    d.wait_log(r"was killed by SIGSEGV", count=count + 1)


def test_backs_off():
    with Daemon(room("data"), pairs=False, probation="0") as d:
        begun = time.monotonic()
        for count in range(5):
            crash(d, count)
        took = time.monotonic() - begun
        waits = [re.search(r"starting it again(?: in (\d+) ms)?$", line)
                 .group(1) for line in d.log_lines(r"was killed by SIGSEGV")]
        equal(waits, [None, "100", "200", "400", "800"])
        check(took >= 0.7, "it did not wait:", took)
        # New code is tried at once.
        d.listeners[0] = room("never")
        d.write_config()
        equal(d.reload_ready(), 2)
        begun = time.monotonic()
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_others_are_served_meanwhile():
    with Daemon(room("open"), listener("other", test_plugin("crasher")),
                workers=2, pairs=False, probation="0") as d:
        s = d.connect("other")
        first = d.connect("room")
        expect_gone(first)
        # Each new worker accepts one of them and crashes again.
        waiting = [d.connect("room") for _ in range(4)]
        d.wait_log(r"starting it again in 400 ms$")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        for one in waiting:
            one.close()
        wait_until(lambda: len(d.log_lines(r"worker 1 \(pid \d+\) started"))
                   >= 4, "the restarts")


if __name__ == "__main__":
    main()

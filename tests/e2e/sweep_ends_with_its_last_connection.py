"""A sweep logs its end and releases old code even if its last connection ends.

A sweep asks 256 connections in each pass of the loop.  Here there is one more.
The first connection that is asked ends that last one, so that the second pass
finds none to ask.
"""

from sluice_test import (Daemon, close_all, equal, expect_gone, listener, main,
                         receive_line, test_plugin)

SWEEP = 256


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s)


def test_the_last_one_ends_during_the_sweep():
    old = test_plugin("stamp", VERSION="v1")
    new = test_plugin("stamp", VERSION="v2", STATE_VERSION=2, MIGRATE=100,
                      TERMINATE=1)
    with Daemon(listener("stamp", old), pairs=False,
                arguments=["-v"]) as d:
        quiet = []
        for _ in range(SWEEP + 1):
            quiet.append(d.connect())
            ask(quiet[-1])
        for s in quiet[1:]:     # those that have sent one line stay
            ask(s)
        since = d.mark()
        d.listener("stamp")["plugin"] = new
        d.write_config()
        d.reload_ready()
        d.wait_log(r"stamp: generation 2: connections that migrated to it: "
                   r"%d; refused, which stay on old code: 1$" % SWEEP, since)
        expect_gone(quiet[-1])
        equal(ask(quiet[0]), "v1 2 x")
        equal(ask(quiet[1]), "v2 103 x")
        # The connection that stays keeps its own code, but no later code.
        for version in ("v3", "v4"):
            since = d.mark()
            d.listener("stamp")["plugin"] = test_plugin(
                "stamp", VERSION=version, STATE_VERSION=2, MIGRATE=100)
            d.write_config()
            d.reload_ready()
            d.wait_log(r"plugin image \w+ \(stamp v%d\) unloaded"
                       % (int(version[1]) - 1), since)
        equal(ask(quiet[0]), "v1 3 x")
        close_all(quiet)
        d.wait_log(r"plugin image \w+ \(stamp v1\) unloaded")


main()

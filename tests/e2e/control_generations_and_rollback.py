"""sluicectl generations shows which generations still have connections, and
sluicectl rollback goes back to the previous one."""

import os
import signal
import time

from sluice_test import (SLOW, Daemon, check, close_all, equal, listener,
                         main, plugin, receive, receive_line,
                         test_plugin, wait_until)


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", **settings)


def stamp(version, state, **settings):
    return listener("stamp", test_plugin("stamp", VERSION=version,
                                         STATE_VERSION=state), **settings)


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s).split()[0]


def clients(d, count, version, name="stamp"):
    made = [d.connect(name) for _ in range(count)]
    for s in made:
        equal(ask(s), version)
    return made


def table(d):
    """[(generation, state, {listener: connections})]"""
    said = d.ask("generations")
    check(said["whole"], said)
    for one in said["generations"]:
        equal(one["connections"],
              sum(row["connections"] for row in one["listeners"]))
    return [(one["generation"], one["state"],
             {row["name"]: row["connections"] for row in one["listeners"]})
            for one in said["generations"]]


def replace(d, *listeners):
    d.listeners[:] = listeners
    d.write_config()
    return d.reload_ready()


def test_chain():
    """Connections left on each version are counted there until they close."""
    echo = listener("echo", plugin("echo"))
    with daemon(stamp("v1", 1), echo, workers=2) as d:
        first = clients(d, 7, "v1")
        others = [d.connect("echo") for _ in range(4)]
        for s in others:
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        equal(table(d), [(1, "committed", {"stamp": 7, "echo": 4})])

        replace(d, stamp("v2", 2), echo)
        second = clients(d, 5, "v2")
        equal(table(d), [(2, "committed", {"stamp": 5, "echo": 4}),
                         (1, "previous", {"stamp": 7})])
        replace(d, stamp("v3", 3), echo)
        third = clients(d, 3, "v3")
        equal(table(d), [(3, "committed", {"stamp": 3, "echo": 4}),
                         (2, "previous", {"stamp": 5}),
                         (1, "draining", {"stamp": 7})])

        # The code of echo is that of the first generation.
        said = d.ask("generations")["generations"][0]["listeners"]
        equal({row["name"]: row["code"] for row in said},
              {"stamp": 3, "echo": 1})

        close_all(first)
        wait_until(lambda: len(table(d)) == 2, "generation 1 to be gone")
        close_all(second + third + others)
        wait_until(lambda: table(d) == [
            (3, "committed", {"stamp": 0, "echo": 0}), (2, "previous", {})],
            "all connections to be gone")


def test_a_worker_that_is_started_again():
    """It has loaded the code later; the listener is in one row all the same."""
    with daemon(stamp("v1", 1), workers=2) as d:
        replace(d, stamp("v1", 1), listener("echo", plugin("echo")))
        mark = d.mark()
        os.kill(d.workers()[1], signal.SIGKILL)
        d.wait_log("starting it again", since=mark)
        wait_until(lambda: [one["generation"]
                            for one in d.ask("status")["workers"]] == [2, 2],
                   "the worker to serve again")
        said = d.ask("generations")["generations"][0]
        equal([(row["name"], row["code"]) for row in said["listeners"]],
              [("stamp", 1), ("echo", 2)])


def test_listener_that_is_gone():
    with daemon(stamp("v1", 1), listener("echo", plugin("echo"))) as d:
        s = clients(d, 1, "v1")[0]
        replace(d, d.listener("echo"))
        equal(table(d), [(2, "committed", {"echo": 0}),
                         (1, "previous", {"stamp": 1})])
        check("stamp" in d.sluicectl("generations").stdout)
        s.close()
        wait_until(lambda: table(d)[1] == (1, "previous", {}), "its end")


def test_stopped_worker_is_shown():
    """A stopped worker is not waited for, and its connections are counted."""
    with daemon(stamp("v1", 1), workers=2, watchdog=0) as d:
        made = clients(d, 40, "v1")
        worker = d.workers()[1]
        os.kill(worker, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            for _ in range(50):
                equal(table(d), [(1, "committed", {"stamp": 40})])
            check(time.monotonic() - begun < 2 * SLOW)
        finally:
            os.kill(worker, signal.SIGCONT)
        close_all(made)


def test_worker_that_is_down():
    """The connections of a dead worker are gone, and the answer says that a
    worker is missing."""
    with daemon(listener("crasher", test_plugin("crasher"),
                         options={"at": "open", "how": "abort"}),
                workers=1) as d:
        d.connect()
        d.wait_log("starting it again")
        d.connect()                     # after a second crash it waits
        wait_until(lambda: not d.ask("generations")["whole"], "it is down")
        said = d.ask("generations")
        if not said["whole"]:
            equal([w["state"] for w in said["workers"]], ["down"])
            equal(said["generations"][0]["connections"], 0)
            check("without worker 1, which is down" in
                  d.sluicectl("generations").stdout or
                  d.ask("generations")["whole"])
        wait_until(lambda: d.ask("generations")["whole"], "the next one")


def test_many_listeners_of_many_workers():
    """The answer has all of a thousand listeners of many workers."""
    many = [listener("e%d" % number, plugin("echo"),
                     "unix:@sluice-test-%d-%d" % (os.getpid(), number))
            for number in range(1000)]
    with daemon(*many, workers=17) as d:
        said = d.ask("generations")
        equal([len(one["listeners"]) for one in said["generations"]], [1000])
        equal(said["whole"], True)


def test_rollback():
    with daemon(stamp("v1", 1), workers=2) as d:
        result = d.sluicectl("rollback")
        equal(result.returncode, 1)     # there is no previous generation
        check(result.stderr and not result.stdout, result)

        s = clients(d, 1, "v1")[0]
        replace(d, stamp("v2", 1))
        equal(ask(s), "v2")
        result = d.sluicectl("rollback")
        equal((result.returncode, result.stderr), (0, ""))
        check("generation 3 ready" in result.stdout, result.stdout)
        equal(ask(s), "v1")
        clients(d, 1, "v1")

        # And forward again.
        said = d.ask("rollback")
        check(said["ok"], said)
        equal(said["generation"], 4)
        equal(ask(s), "v2")
        check(d.log_lines("control socket, uid"))


main()

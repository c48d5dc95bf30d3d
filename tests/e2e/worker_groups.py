"""Listeners with workers of their own: nobody else waits or falls with them."""

import re
import threading

from sluice_test import (Daemon, check, connector, equal, expect_gone,
                         listener, main, plugin, receive, test_plugin,
                         wait_until)
from harness.upstream import Upstream


def echo(name="echo", **settings):
    return listener(name, plugin("echo"), **settings)


def bad(how, **settings):
    return listener("bad", test_plugin("crasher"),
                    options=dict({"at": "data", "how": how}, **settings),
                    workers=1)


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", **settings)


def is_served(s, count=1):
    for _ in range(count):
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
    return s


def groups(d):
    """{group: the workers that serve, from 1}; None: those that leave."""
    found = {}
    for w in d.ask("status")["workers"]:
        found.setdefault(w["group"], []).append(w["worker"])
    return found


def served_by(d, name):
    """The workers that have connections of a listener."""
    return {c["worker"] for c in d.ask("conns", listener=name)["conns"]}


def test_a_callback_that_blocks_holds_up_no_other_group():
    with daemon(echo(), bad("sleep", ms=1500)) as d:
        slow, quick = d.connect("bad"), is_served(d.connect("echo"))
        slow.sendall(b"x")
        d.ask("status")
        is_served(quick, 100)
        is_served(d.connect("echo"))
        slow.settimeout(0)
        try:
            check(False, "it did not block", slow.recv(1))
        except BlockingIOError:
            pass
        slow.settimeout(30)
        equal(receive(slow, 1), b"x")


def test_a_crash_ends_no_connection_of_another_group():
    with daemon(echo(), echo("own", workers=2), bad("segv"),
                probation="0s") as d:
        safe = [is_served(d.connect(name)) for name in ("echo", "own") * 4]
        for _ in range(2):
            since = d.mark()
            s = d.connect("bad")
            s.sendall(b"x")
            expect_gone(s)
            d.wait_log(r"worker 4 \(pid \d+\) was killed by SIGSEGV", since)
            d.wait_log(r"worker 4 \(pid \d+\) started", since)
            for s in safe:
                is_served(s)
        said = d.ask("status")["workers"]
        equal([w["restarts"] for w in said], [0, 0, 0, 2])


def test_who_serves_what():
    with Upstream() as peer, daemon(
            echo("a"), echo("b", worker_group="pool"),
            echo("c", worker_group="pool"), echo("d", workers=2),
            worker_groups=[{"name": "pool", "workers": 2}, {"name": "idle"}],
            connectors=[connector("feed", plugin("echo"), peer.address,
                                  workers=1)], workers=2) as d:
        d.wait_log("generation 1 ready: 4 listeners, 1 connector, 8 workers")
        equal(groups(d), {"default": [1, 2], "pool": [3, 4], "idle": [5],
                          "d": [6, 7], "feed": [8]})
        made = [is_served(d.connect(name)) for name in "abcd"
                for _ in range(20)]
        equal([served_by(d, name) for name in "abcd"],
              [{1, 2}, {3, 4}, {3, 4}, {6, 7}])
        is_served(peer.accept())
        equal(list(d.connector("feed")), [8])
        said = d.sluicectl("status").stdout
        check(re.search(r"^3 +pool +\d+ +serving", said, re.M), said)
        said = d.sluicectl("metrics").stdout
        check('sluice_worker_up{worker="7",group="d"} 1\n' in said, said)
        equal(len(made), 80)


def test_a_reload_makes_groups_and_ends_them():
    with daemon(echo(), workers=1) as d:
        old = is_served(d.connect("echo"))
        d.settings["worker_groups"] = [{"name": "more", "workers": 3}]
        d.listeners.append(echo("two", worker_group="more"))
        d.write_config()
        equal(d.reload_ready(), 2)
        equal(groups(d), {"default": [1], "more": [2, 3, 4]})
        made = [is_served(d.connect("two")) for _ in range(40)]
        equal(served_by(d, "two"), {2, 3, 4})
        # It shrinks: those that leave drain.
        d.settings["worker_groups"][0]["workers"] = 1
        d.write_config()
        since = d.mark()
        equal(d.reload_ready(), 3)
        equal(groups(d), {"default": [1], "more": [2], None: [3, 4]})
        for s in made:
            is_served(s)
        for _ in range(20):
            made.append(is_served(d.connect("two")))
        equal({c["worker"] for c in
               d.ask("conns", listener="two", sort="age")["conns"][-20:]},
              {2})
        for s in made:
            s.close()
        for worker in 3, 4:
            d.wait_log(r"worker %d \(pid \d+\) has left" % worker, since)
        equal(groups(d), {"default": [1], "more": [2]})
        # It is gone, and there is another one.
        d.settings["worker_groups"] = []
        d.listeners[1] = echo("two", workers=2)
        d.write_config()
        since = d.mark()
        equal(d.reload_ready(), 4)
        d.wait_log(r"worker 2 \(pid \d+\) has left", since)
        equal(groups(d), {"default": [1], "two": [3, 4]})
        is_served(d.connect("two"))
        is_served(old)


def test_a_listener_moves_and_loses_nobody():
    with daemon(echo(), echo("other"), workers=2) as d:
        old = [is_served(d.connect("echo")) for _ in range(10)]
        stop, failures, count = threading.Event(), [], [0]

        def knock():
            while not stop.is_set():
                try:
                    is_served(d.connect("echo")).close()
                    count[0] += 1
                except Exception as problem:
                    failures.append(problem)
                    return

        thread = threading.Thread(target=knock)
        thread.start()
        try:
            for generation, workers in enumerate((3, 1, 0, 2), 2):
                d.listeners[0] = echo(workers=workers)
                d.write_config()
                equal(d.reload_ready(), generation)
                before = count[0]
                wait_until(lambda: failures or count[0] > before + 20,
                           "new connections")
                equal(failures, [])
                if generation == 2:
                    for s in old:
                        is_served(s)
        finally:
            stop.set()
            thread.join()
        equal(failures, [])
        for s in old:
            s.close()
        wait_until(lambda: groups(d) == {"default": [1, 2], "echo": [3, 4]},
                   lambda: "the groups: %s" % groups(d))


def test_a_refused_reload_leaves_no_worker():
    with daemon(echo(), workers=1) as d:
        d.listeners.append(listener("bad", test_plugin("refuse"),
                                    options={"start": "no"}, workers=2))
        d.write_config()
        since = d.mark()
        d.reload_refused()
        for worker in 2, 3:
            d.wait_log(r"worker %d \(pid \d+\) has left" % worker, since)
        equal(groups(d), {"default": [1]})
        d.listeners.pop()
        d.write_config()
        equal(d.reload_ready(), 2)
        equal(groups(d), {"default": [1]})


def test_a_rollback_brings_the_groups_back():
    with daemon(echo(workers=2), probation="30s") as d:
        d.listeners[0] = listener("echo", test_plugin("crasher"),
                                  options={"at": "data"})
        d.write_config()
        equal(d.reload_ready(), 2)
        equal(groups(d)["default"], [1])
        equal(d.sluicectl("rollback").returncode, 0)
        found = groups(d)
        equal((found["default"], len(found["echo"])), ([1], 2))
        is_served(d.connect("echo"))


def test_a_limit_holds_for_all_workers():
    with daemon(echo(workers=3, limits={"connections": 5})) as d:
        for _ in range(5):
            is_served(d.connect("echo"))
        expect_gone(d.connect("echo"))


main()

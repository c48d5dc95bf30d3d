"""limits.connections holds for all workers of a listener together."""

import os
import signal

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         plugin, receive, receive_line, test_plugin,
                         wait_until)


def serves(s):
    try:
        s.sendall(b"hello")
        return s.recv(5) == b"hello"
    except OSError:
        return False


def fill(d, limit):
    """Make `limit` connections that are served, and one that is not."""
    clients = [d.connect() for _ in range(limit)]
    for s in clients:
        check(serves(s), "one within the limit is not served")
    check(not serves(d.connect()), "one beyond the limit is served")
    return clients


def test_one_worker():
    with Daemon(listener("echo", plugin("echo"),
                         limits={"connections": 10})) as d:
        clients = fill(d, 10)
        # The others go on.  When one closes, its place is free.
        for s in clients:
            check(serves(s))
        clients.pop().close()
        wait_until(lambda: serves(d.connect()), "a place")


def test_two_workers_together():
    with Daemon(listener("echo", plugin("echo"),
                         limits={"connections": 10}), workers=2) as d:
        clients = fill(d, 10)
        for s in clients:
            s.close()
        d.wait_log("closed why=peer", count=10)
        fill(d, 10)


def test_each_listener_has_its_own():
    with Daemon(listener("one", plugin("echo"), limits={"connections": 3}),
                listener("two", plugin("echo"), limits={"connections": 5}),
                listener("free", plugin("echo"))) as d:
        for name, limit in (("one", 3), ("two", 5)):
            clients = [d.connect(name) for _ in range(limit)]
            check(all(serves(s) for s in clients), name)
            check(not serves(d.connect(name)), name)
        check(all(serves(d.connect("free")) for _ in range(20)))


def test_refused_ones_have_no_callbacks():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"connections": 1})) as d:
        s = d.connect()
        s.sendall(b"say x\n")
        receive_line(s)
        for _ in range(50):
            expect_gone(d.connect())
        equal(len(d.log_lines(r"trace \d+ open")), 1, "opens")
        # They do not fill the log, either.
        check(len(d.log_lines("limit")) < 40, "a line for each refusal")


def test_reload_changes_it_at_once():
    with Daemon(listener("echo", plugin("echo"),
                         limits={"connections": 2})) as d:
        clients = fill(d, 2)
        d.listener("echo")["limits"]["connections"] = 4
        d.write_config()
        d.reload_ready()
        clients += [d.connect(), d.connect()]
        for s in clients:
            check(serves(s))
        check(not serves(d.connect()))
        # A lower limit closes no connection, but admits no new one.
        d.listener("echo")["limits"]["connections"] = 3
        d.write_config()
        d.reload_ready()
        for s in clients:
            check(serves(s))
        clients[0].close()
        d.wait_log("closed why=peer")
        check(not serves(d.connect()))


def test_a_killed_worker_gives_its_places_back():
    with Daemon(listener("echo", plugin("echo"),
                         limits={"connections": 4}), workers=2,
                pairs=False) as d:
        fill(d, 4)
        for pid in d.workers():
            since = d.mark()
            os.kill(pid, signal.SIGKILL)
            d.wait_log(r"worker \d+ \(pid \d+\) started", since)
        for s in d.clients:
            s.close()

        def all_four():
            clients = [d.connect() for _ in range(4)]
            good = all(serves(s) for s in clients)
            for s in clients:
                s.close()
            return good

        wait_until(all_four, "four places")


def test_unix_socket():
    with Daemon(listener("echo", plugin("echo"), "unix:@sluice-test-limit-%s"
                         % os.getpid(), limits={"connections": 2})) as d:
        one, two = d.connect(), d.connect()
        check(serves(one) and serves(two))
        expect_gone(d.connect())
        one.sendall(b"x")
        equal(receive(one, 1), b"x")


main()

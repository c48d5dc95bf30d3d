"""limits.per_address holds for one peer address in all workers together."""

import os
import socket

from sluice_test import (Daemon, Skip, check, listener, main, plugin,
                         wait_until)


def serves(s):
    try:
        s.sendall(b"hello")
        return s.recv(5) == b"hello"
    except OSError:
        return False


def one_address_fills_up(workers):
    with Daemon(listener("echo", plugin("echo"),
                         limits={"per_address": 6}), workers=workers) as d:
        first = [d.connect(source="127.0.0.1") for _ in range(6)]
        check(all(serves(s) for s in first), "within the limit")
        for _ in range(10):
            check(not serves(d.connect(source="127.0.0.1")), "beyond it")
        # Another address is not affected.
        second = [d.connect(source="127.0.0.2") for _ in range(6)]
        check(all(serves(s) for s in second), "another address")
        check(not serves(d.connect(source="127.0.0.2")))
        check(all(serves(s) for s in first))
        # When a connection closes, its place is free again.
        first.pop().close()
        wait_until(lambda: serves(d.connect(source="127.0.0.1")), "a place")


def test_one_worker():
    one_address_fills_up(1)


def test_two_workers_together():
    one_address_fills_up(2)


def test_both_limits():
    with Daemon(listener("echo", plugin("echo"),
                         limits={"per_address": 3, "connections": 5})) as d:
        kept = [d.connect(source="127.0.0.1") for _ in range(3)]
        kept += [d.connect(source="127.0.0.2") for _ in range(2)]
        check(all(serves(s) for s in kept))
        check(not serves(d.connect(source="127.0.0.1")), "address")
        check(not serves(d.connect(source="127.0.0.3")), "connections")


def test_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        raise Skip("there is no IPv6 here") from None
    with Daemon(listener("echo", plugin("echo"), "[::1]:0",
                         limits={"per_address": 2})) as d:
        kept = [d.connect(), d.connect()]
        check(all(serves(s) for s in kept))
        check(not serves(d.connect()))


def test_unix_peers_are_not_limited():
    with Daemon(listener("echo", plugin("echo"), "unix:@sluice-test-%d"
                         % os.getpid(), limits={"per_address": 2})) as d:
        kept = [d.connect() for _ in range(5)]
        check(all(serves(s) for s in kept))


def test_thousands_of_addresses():
    """Thousands of addresses are counted separately."""
    with Daemon(listener("echo", plugin("echo"),
                         limits={"per_address": 1}), workers=2) as d:
        kept = []
        for i in range(1500):
            source = "127.1.%d.%d" % (i >> 8, i & 255)
            s = d.connect(source=source)
            kept.append(s)
            if i % 3 == 0:
                check(serves(s), source)
        for i in range(0, 1500, 100):
            check(not serves(d.connect(
                source="127.1.%d.%d" % (i >> 8, i & 255))))


main()

"""A client that never reads costs a bounded amount of memory."""

import os

from sluice_test import (Daemon, SANITIZED, check, equal, listener, main,
                         memory, plugin, receive, send_until_stalled,
                         test_plugin)

GROWTH_MAX = (24 if SANITIZED else 4) << 20


def test_echo():
    data = os.urandom(1 << 20) * 64
    with Daemon(listener("echo", plugin("echo"))) as d:
        worker = d.workers()[0]
        slow = d.connect(receive_buffer=65536, send_buffer=65536)
        before = memory(worker)
        sent = send_until_stalled(slow, data)
        check(sent < len(data), "the daemon took it all")
        grown = memory(worker) - before
        check(grown < GROWTH_MAX, "the worker grew by", grown)

        # Other clients are served meanwhile.
        other = d.connect()
        other.sendall(b"hello")
        equal(receive(other, 5), b"hello")

        # Nothing was lost.
        check(receive(slow, sent) == data[:sent], "the echo differs")


def test_endless_output():
    """chargen stops at the high mark, for many clients that do not read."""
    with Daemon(listener("chargen", plugin("chargen"),
                         limits={"write_buffer": "64KiB"})) as d:
        worker = d.workers()[0]
        d.connect(receive_buffer=4096)
        before = memory(worker)
        for _ in range(20):
            d.connect(receive_buffer=4096)
        send_until_stalled(d.connect(), b"x" * (4 << 20), quiet=0.1)
        grown = memory(worker) - before
        check(grown < GROWTH_MAX + (20 << 17), "the worker grew by", grown)


def test_marks():
    """A write is short at the high mark; drain comes at the low mark."""
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "100000"})) as d:
        s = d.connect(receive_buffer=4096, send_buffer=4096)
        s.sendall(b"fill\n")
        _, said = d.wait_trace("call", 1)
        filled = int(said.split("= ")[1])
        equal(d.trace(1), ["open", "data 5"])
        # At most the high mark is queued.
        s.sendall(b"facts\n")
        receive(s, filled)
        _, left = d.wait_trace("drain", 1)
        check(int(left) < 100000, left, "were queued at drain")
        equal(len(d.log_lines("trace 1 drain")), 1, "drains")


def test_close_frees_what_was_queued():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "32MiB",
                                 "write_queue": "32MiB"})) as d:
        worker = d.workers()[0]

        def fill_and_leave(connection):
            s = d.connect(receive_buffer=4096)
            s.sendall(b"fill\n")
            d.wait_trace("call", connection)
            grown = memory(worker)
            s.close()
            d.wait_trace("close", connection)
            return grown

        before = memory(worker)
        first = fill_and_leave(1)
        check(first > before + (16 << 20), "nothing was queued")
        if not SANITIZED:  # a sanitizer keeps freed memory for a while
            for i in range(5):
                last = fill_and_leave(i + 2)
            check(last < first + GROWTH_MAX, "it grew from", first, "to",
                  last)


main()

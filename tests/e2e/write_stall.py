"""A peer that takes no output for timeouts.write is closed."""

from sluice_test import (Daemon, SLOW, check, equal, expect_gone, listener,
                         main, plugin, receive, receive_line, test_plugin)


def write_timeout(milliseconds):
    return {"write": "%dms" % (milliseconds * SLOW)}


def test_stalled():
    with Daemon(listener("chargen", plugin("chargen"),
                         timeouts=write_timeout(100))) as d:
        s = d.connect(receive_buffer=4096)
        d.wait_log("closed why=write-stall ")
        expect_gone(s)


def test_callbacks():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts=write_timeout(100))) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\n")
        d.wait_trace("close", 1)
        events = [event.split() for event in d.trace(1)]
        equal([e[0] for e in events[-2:]], ["error", "close"])
        equal(events[-1][1], "5", "why")


def test_progress_counts():
    """A slow reader that keeps reading is not stalled."""
    with Daemon(listener("c", test_plugin("command"),
                         timeouts=write_timeout(600))) as d:
        slow, clock = d.connect(receive_buffer=4096), d.connect()
        slow.sendall(b"at drain !fill\nfill\n")
        d.wait_trace("call fill", 1)
        clock.sendall(b"tick %d 12\n" % (100 * SLOW))
        for _ in range(12):
            receive_line(clock)
            receive(slow, 1000000)
        check(not d.log_lines("trace 1 close"), "a slow reader was closed")


def test_also_while_closing():
    """sl_close() with a peer that never reads has an end."""
    with Daemon(listener("c", test_plugin("command"),
                         timeouts=dict(write_timeout(100),
                                       linger="50ms"))) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\nclose\n")
        d.wait_trace("close", 1)
        expect_gone(s)


def test_nothing_queued_is_no_stall():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts=write_timeout(50))) as d:
        s, clock = d.connect(), d.connect()
        s.sendall(b"write 100\n")
        clock.sendall(b"tick %d 5\n" % (50 * SLOW))
        for _ in range(5):
            receive_line(clock)
        equal(len(receive(s, 100)), 100)
        s.sendall(b"say here\n")
        equal(receive_line(s), "here")


main()

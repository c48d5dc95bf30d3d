"""Idle timeouts have millisecond resolution, and traffic restarts them."""

import os
import select
import signal
import time

from sluice_test import (Daemon, SLOW, check, equal, expect_end, expect_gone,
                         listener, main, plugin, receive_line, test_plugin,
                         wait_until)


def idle(milliseconds):
    return {"idle": "%dms" % (milliseconds * SLOW), "linger": "20ms"}


def test_closes_by_default():
    with Daemon(listener("echo", plugin("echo"), timeouts=idle(50))) as d:
        begun = time.monotonic()
        s = d.connect()
        expect_gone(s)
        check(time.monotonic() - begun > 0.045 * SLOW, "too early")
        d.wait_log("closed why=idle in=0 out=0")


def test_order_follows_the_lengths():
    """Timeouts of 40 to 400 ms expire in order, however they were set."""
    with Daemon(listener("c", test_plugin("command", WITHOUT_TIMEOUT=True),
                         timeouts={"linger": "20ms"})) as d:
        clients = {}
        for step in (9, 2, 7, 0, 4):
            clients[step] = s = d.connect()
            s.sendall(b"timeout %d\nsay ready\n"
                      % ((40 + 80 * step) * SLOW))
            receive_line(s)
        ids = {step: i + 1 for i, step in enumerate((9, 2, 7, 0, 4))}
        closed = [d.wait_trace("close", count=i + 1)
                  for i in range(len(ids))]
        equal([c for c, _ in closed], [ids[step] for step in sorted(ids)])
        equal({rest.split()[0] for _, rest in closed}, {"4"}, "why")


def test_traffic_starts_it_anew():
    """Input or output keeps a connection; silence does not."""
    with Daemon(listener("c", test_plugin("command", WITHOUT_TIMEOUT=True),
                         timeouts=idle(400))) as d:
        clock = d.connect()
        talks, silent = d.connect(), d.connect()
        clock.sendall(b"tick %d 8\n" % (100 * SLOW))
        for _ in range(8):
            receive_line(clock)     # output keeps it
            talks.sendall(b"sink\n")  # input keeps it
        equal(len(d.log_lines("trace [12] close")), 0)
        check(select.select([silent], [], [], 0)[0], "the silent one lives")
        expect_end(silent)
        silent.close()
        d.wait_trace("close 4", 3)
        expect_gone(talks)
        expect_gone(clock)


def test_plugin_decides():
    """A `timeout` callback comes again until the plugin closes."""
    with Daemon(listener("c", test_plugin("command"),
                         timeouts=idle(40))) as d:
        s = d.connect()
        for i in range(3):
            d.wait_trace("timeout", 1, count=i + 1)
        s.sendall(b"at timeout close\n")
        expect_gone(s)
        d.wait_trace("close 2", 1)


def test_zero_switches_it_off():
    with Daemon(listener("c", test_plugin("command", WITHOUT_TIMEOUT=True),
                         timeouts=idle(150))) as d:
        keeps, control = d.connect(), d.connect()
        keeps.sendall(b"timeout 0\nsay ok\n")
        receive_line(keeps)
        clock = d.connect()
        clock.sendall(b"tick %d 5\n" % (100 * SLOW))
        for _ in range(5):
            receive_line(clock)
        expect_gone(control)
        keeps.sendall(b"say here\n")
        equal(receive_line(keeps), "here")


def test_very_long_ones_are_taken():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"idle": "365d"})) as d:
        s = d.connect()
        s.sendall(b"timeout 18446744073709551615\nsay a\n"
                  b"timeout 4294967296\nsay b\n")
        equal([receive_line(s), receive_line(s)], ["a", "b"])
        equal([line.split("= ")[1] for line in
               d.messages("trace 1 call timeout")], ["0", "0"])


def test_data_in_the_same_turn_wins():
    """Bytes that arrived before the timer ran out are read first."""
    with Daemon(listener("c", test_plugin("command",
                                          WITHOUT_TIMEOUT=True))) as d:
        worker = d.workers()[0]
        for _ in range(5):
            s = d.connect()
            s.sendall(b"timeout 100\nsay a\n")
            receive_line(s)
            os.kill(worker, signal.SIGSTOP)
            begun = time.monotonic()
            s.sendall(b"say b\n")
            wait_until(lambda: time.monotonic() - begun > 0.15,
                       "the timer to run out")
            os.kill(worker, signal.SIGCONT)
            equal(receive_line(s), "b")
            s.close()


main()

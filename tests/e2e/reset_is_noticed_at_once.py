"""A reset is noticed even while the connection waits for no event."""

import os
import signal
import socket

from sluice_test import (Daemon, SLOW, check, cpu_seconds, equal, listener,
                         main, receive_line, reset, test_plugin)

CLIENTS = 20
SOON = 5  # seconds; far less than any timeout here


def daemon(**settings):
    return Daemon(listener("c", test_plugin("command"), **settings),
                  drain_timeout="60s", workers=1)


def is_told(d, connection=1):
    """Wait for `error` and `close`.  Returns the names of all events."""
    d.wait_log(r"trace %d close 3 " % connection, seconds=SOON)
    events = [e.split()[0] for e in d.trace(connection)]
    equal(events[-2:], ["error", "close"])
    return events


def paused(d):
    s = d.connect()
    s.sendall(b"pause\n")
    return s


def test_while_paused():
    with daemon() as d:
        s = paused(d)
        d.wait_trace("call pause", 1)
        reset(s)
        equal(is_told(d), ["open", "data", "error", "close"])


def test_pause_holds_back_what_came_before():
    with daemon() as d:
        s = paused(d)
        d.wait_trace("call pause", 1)
        s.sendall(b"say something\n")
        reset(s)
        equal(is_told(d), ["open", "data", "error", "close"])


def test_while_paused_after_the_peers_end():
    with daemon() as d:
        s = paused(d)
        s.shutdown(socket.SHUT_WR)
        d.wait_trace("call pause", 1)
        reset(s)
        equal(is_told(d), ["open", "data", "error", "close"])


def test_while_paused_with_output_blocked():
    with daemon() as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\npause\n")
        d.wait_trace("call pause", 1)
        reset(s)
        is_told(d)


def test_after_a_pause():
    """After a pause, input comes before the reset."""
    with daemon() as d:
        s = d.connect()
        s.sendall(b"at timer resume\ntimer 1 20\npause\n")
        d.wait_trace("call resume", 1)
        os.kill(d.workers()[0], signal.SIGSTOP)
        s.sendall(b"last words")
        reset(s)
        os.kill(d.workers()[0], signal.SIGCONT)
        equal(is_told(d)[-3:], ["data", "error", "close"])


def test_with_an_answer_pending():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"at end sink\n")
        s.shutdown(socket.SHUT_WR)
        d.wait_trace("end", 1)
        reset(s)
        equal(is_told(d), ["open", "data", "end", "error", "close"])


def test_with_input_full():
    """The plugin takes nothing before a `drain` that cannot come."""
    with daemon(limits={"read_buffer": "1KiB"}) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\n" + b"x" * 4000)
        d.wait_trace("call fill", 1)
        reset(s)
        is_told(d)


def test_at_a_unix_socket():
    with Daemon(listener("c", test_plugin("command"),
                         listen="unix:@sluice-test-%d" % os.getpid()),
                workers=1) as d:
        s = d.connect()
        s.sendall(b"say unread\npause\n")
        d.wait_trace("call pause", 1)
        s.close()  # with input unread, which is a reset there
        is_told(d)


def test_connections_are_given_back():
    with daemon(limits={"connections": CLIENTS}) as d:
        for s in [paused(d) for _ in range(CLIENTS)]:
            s.sendall(b"more")
            reset(s)
        d.wait_log(r"trace \d+ close", count=CLIENTS, seconds=SOON)
        s = d.connect()
        s.sendall(b"say served\n")
        equal(receive_line(s), "served")


def test_a_drain_ends():
    with daemon() as d:
        clients = [paused(d) for _ in range(CLIENTS)]
        d.wait_log("call pause", count=CLIENTS)
        d.signal(signal.SIGTERM)
        d.wait_log("draining")
        for s in clients:
            reset(s)
        d.wait_exit()


def test_waiting_costs_nothing():
    """Peers that have finished, sent more, or both, while paused."""
    with daemon() as d:
        worker, clients = d.workers()[0], []
        for _ in range(CLIENTS):
            clients.append(paused(d))
        d.wait_log("call pause", count=CLIENTS)
        for i, s in enumerate(clients):
            if i % 2:
                s.sendall(b"more\n")
            if i % 3:
                s.shutdown(socket.SHUT_WR)
        clock = d.connect()
        clock.sendall(b"tick %d 10\n" % (50 * SLOW))
        before = cpu_seconds(worker)
        for _ in range(10):
            receive_line(clock)
        used = cpu_seconds(worker) - before
        check(used < 0.25 * SLOW, "the worker used", used, "s of CPU")
        equal(len(d.log_lines(r"trace \d+ close")), 0, "closed")
        for s in clients:
            reset(s)


main()

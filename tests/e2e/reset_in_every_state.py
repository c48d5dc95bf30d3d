"""A reset ends its own connection and nothing else, in every state."""

import socket

from sluice_test import (Daemon, check, equal, listener, main, receive_line,
                         reset, test_plugin)


def daemon():
    return Daemon(listener("c", test_plugin("command")), workers=1)


def still_serves(d):
    s = d.connect()
    s.sendall(b"say alive\n")
    equal(receive_line(s), "alive")
    s.close()


def resets(d, s, connection=1):
    reset(s)
    d.wait_trace("close", connection)
    still_serves(d)
    events = d.trace(connection)
    return [e.split()[0] for e in events], events[-1].split()[1]


def test_before_accept_and_at_once():
    with daemon() as d:
        for _ in range(100):
            reset(d.connect())
        still_serves(d)


def test_open():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"say hello\n")
        receive_line(s)
        events, why = resets(d, s)
        equal(events[-2:], ["error", "close"])
        equal(why, "3", "why")
        check("ECONNRESET" in " ".join(d.trace(1)), d.trace(1))


def test_with_output_queued():
    with daemon() as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\n")
        d.wait_trace("call", 1)
        events, why = resets(d, s)
        equal(events[-2:], ["error", "close"])
        equal(why, "3", "why")


def test_with_input_unread_by_the_plugin():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"half a command")
        d.wait_trace("data", 1)
        _, why = resets(d, s)
        equal(why, "3", "why")


def test_paused():
    """A paused connection is ended as well."""
    with daemon() as d:
        s = d.connect()
        s.sendall(b"at timer resume\ntimer 1 100\npause\nsay more\n")
        d.wait_trace("call pause", 1)
        resets(d, s)


def test_peer_half_closed():
    with daemon() as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"at end got\nfill\n")
        s.shutdown(socket.SHUT_WR)
        d.wait_trace("end", 1)
        events, why = resets(d, s)
        equal(events[-2:], ["error", "close"])
        equal(why, "3", "why")


def test_we_half_closed():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"end 5\n")
        d.wait_trace("call", 1)
        equal(s.recv(100), b"01234")
        equal(s.recv(100), b"")
        resets(d, s)


def test_shutdown_write():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"shutw\n")
        equal(s.recv(100), b"")
        resets(d, s)


def test_shutdown_read():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"shutr\n")
        d.wait_trace("call", 1)
        resets(d, s)


def test_closing_with_output():
    with daemon() as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\nclose\n")
        d.wait_trace("call close", 1)
        resets(d, s)


def test_lingering():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"close\n")
        equal(s.recv(100), b"")
        resets(d, s)


def test_many_while_writing():
    with daemon() as d:
        clients = [d.connect(receive_buffer=4096) for _ in range(100)]
        for s in clients:
            s.sendall(b"at drain fill\nfill\n")
        d.wait_log("call fill", count=100)
        for s in clients:
            s.recv(100000)
            reset(s)
        d.wait_log(r"trace \d+ close", count=100)
        still_serves(d)


main()

"""A handshake that stalls, or drips, ends when its time is over."""

import re
import threading

from sluice_test import (Daemon, check, equal, expect_gone, main, test_plugin)
from harness.tls import (V12, V13, Peer, client_context, keys, tls_connect,
                         tls_listener)

BOTH = V12, V13
LIMIT = "500ms"


def daemon(**tls):
    tls.setdefault("handshake_timeout", LIMIT)
    return Daemon(tls_listener("c", test_plugin("command"), keys(**tls)),
                  arguments=["-v"])


def second_flight(p):
    """Everything up to the client's second flight, which is not sent."""
    p.sock.sendall(p.hello())
    while not p.outgoing.pending:
        p.fill()
        p.step(p.tls.do_handshake)
    return p.made()


def records(data):
    """The lengths of the beginnings that end with a record."""
    at, found = 0, []
    while at < len(data):
        at += 5 + int.from_bytes(data[at + 3:at + 5], "big")
        found.append(at)
    return found


def stalled(d, version):
    """A client for each place at which one can stall."""
    def client():
        return Peer(d.connect(), client_context(version))

    found = [client()]
    for part in 1, 5, 6, 100, -1:
        p = client()
        p.sock.sendall(p.hello()[:part])
        found.append(p)
    p = client()
    p.sock.sendall(p.hello())
    found.append(p)                     # reads nothing
    p = client()
    flight = second_flight(p)
    found.append(p)                     # has read everything
    ends = records(flight)
    for end in ends[:-1] + [ends[-1] - 1, 1]:
        p = client()
        p.sock.sendall(second_flight(p)[:end])
        found.append(p)
    return found


def test_stalled_at_each_message():
    for version in BOTH:
        with daemon() as d:
            clients = stalled(d, version)
            for p in clients:
                expect_gone(p.sock)
            d.wait_log(r"trace \d+ handshake 7 ETIMEDOUT", count=len(clients))
            lines = d.log_lines("conn .* closed why=handshake ")
            equal(len(lines), len(clients), "timeouts")
            for line in lines:
                ms = int(re.search(r" ms=(\d+)", line).group(1))
                check(ms >= 490, "too early:", line)
            p = tls_connect(d)
            p.write(b"say next\n")
            equal(p.receive(5), b"next\n")


def test_dripping_is_stalling():
    """The limit is for the whole, however many bytes arrive meanwhile."""
    for version in BOTH:
        with daemon() as d:
            p = Peer(d.connect(), client_context(version))
            data, gone = p.hello(), threading.Event()

            def drip():
                for byte in data:
                    if gone.wait(0.01):
                        return
                    try:
                        p.sock.sendall(bytes([byte]))
                    except OSError:
                        return

            check(len(data) > 150, "the hello is too short for this")
            thread = threading.Thread(target=drip)
            thread.start()
            expect_gone(p.sock)
            gone.set()
            thread.join()
            d.wait_log("handshake 7 ETIMEDOUT")
            d.wait_log("conn 1 c .* closed why=handshake ")


def test_the_listeners_timeout_without_one_of_tls():
    with Daemon(tls_listener("c", test_plugin("command"),
                             timeouts={"handshake": LIMIT})) as d:
        s = d.connect()
        expect_gone(s)
        d.wait_log("handshake 7 ETIMEDOUT")


def test_an_open_connection_has_no_such_limit():
    with daemon() as d:
        p = tls_connect(d)
        stuck = d.connect()
        expect_gone(stuck)              # a limit has passed
        p.write(b"say still here\n")
        equal(p.receive(11), b"still here\n")


def test_reload_keeps_the_time():
    """A handshake that a reload has met still ends."""
    with daemon() as d:
        p = Peer(d.connect(), client_context())
        p.sock.sendall(p.hello()[:50])
        d.wait_log("phase: new -> handshake")
        equal(d.reload_ready(), 2)
        expect_gone(p.sock)
        d.wait_log("handshake 7 ETIMEDOUT")


main()

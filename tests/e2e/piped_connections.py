"""sl_pipe() moves every byte and both ends, over plain sockets and TLS."""

import os
import socket
import struct
import threading

from sluice_test import (SANITIZED, Daemon, check, equal, listener, main,
                         receive_all, test_plugin)
from harness.tls import client_context, tls_listener

MUCH = (8 if SANITIZED else 64) << 20
CHUNK = 1 << 16


def relay(version="v1", limits=None):
    """A plain listener and one with TLS, with one plugin in one worker."""
    path = test_plugin("relay", VERSION=version)
    more = {"limits": limits} if limits else {}
    return Daemon(listener("plain", path, **more),
                  tls_listener("tls", path, **more), workers=1)


def connect(d, kind, **options):
    s = d.connect(kind, **options)
    s.settimeout(60)
    if kind == "tls":
        s = client_context().wrap_socket(s, server_hostname="localhost",
                                         suppress_ragged_eofs=False)
    return s


def pair(d, left, right, **options):
    since = d.mark()
    a = connect(d, left, **options)
    b = connect(d, right, **options)
    d.wait_log("piped", since)
    return a, b


def finish(s):
    """End the output only."""
    if hasattr(s, "unwrap"):
        s.unwrap()              # returns when the other end has ended, too
    else:
        s.shutdown(socket.SHUT_WR)


def send(s, data):
    thread = threading.Thread(target=s.sendall, args=(data,))
    thread.start()
    return thread


def receive_exactly(s, count):
    got = bytearray()
    while len(got) < count:
        part = s.recv(CHUNK)
        check(part, "only", len(got), "of", count, "bytes came")
        got += part
    return bytes(got)


def moves(a, b, data):
    thread = send(a, data)
    check(receive_exactly(b, len(data)) == data, "other bytes arrived")
    thread.join()


def test_every_mix():
    data = os.urandom(MUCH)
    with relay() as d:
        for left in "plain", "tls":
            for right in "plain", "tls":
                a, b = pair(d, left, right)
                moves(a, b, data)
                moves(b, a, data[:MUCH // 8])
                a.close()
                b.close()


def test_both_ways_at_once_with_small_buffers():
    data, answer = os.urandom(MUCH), os.urandom(MUCH)
    limits = {"read_buffer": "4KiB", "write_buffer": "4KiB"}
    for more in {}, limits:
        with relay(limits=more) as d:
            a, b = pair(d, "plain", "plain", receive_buffer=8192)
            threads = [send(a, data), send(b, answer)]
            got = []
            reader = threading.Thread(
                target=lambda: got.append(receive_exactly(a, MUCH)))
            reader.start()
            check(receive_exactly(b, MUCH) == data, "to the right")
            for thread in threads + [reader]:
                thread.join()
            check(got[0] == answer, "to the left")
            finish(a)
            equal(b.recv(1), b"")
            finish(b)
            equal(a.recv(1), b"")
            d.wait_log("in=%d out=%d" % (MUCH, MUCH), count=2)


def test_an_end_waits_for_all_that_was_sent():
    """As nc -N does: half-close, then read the whole answer."""
    data = os.urandom(1 << 20)
    with relay() as d:
        a, b = pair(d, "plain", "plain")
        a.sendall(b"request")
        finish(a)
        equal(receive_all(b), b"request")
        thread = send(b, data)
        check(receive_exactly(a, len(data)) == data, "the answer")
        thread.join()
        b.close()
        equal(a.recv(1), b"")
        d.wait_log("closed why=", count=2)


def test_a_close_notify_is_carried_over():
    with relay() as d:
        a, b = pair(d, "tls", "plain")
        a.sendall(b"last words")
        thread = threading.Thread(target=finish, args=(a,))
        thread.start()
        equal(receive_all(b), b"last words")
        b.close()
        thread.join()           # the answer to its close_notify has come


def test_a_reset_closes_the_other_politely():
    with relay() as d:
        for left, right in (("plain", "plain"), ("tls", "plain"),
                            ("plain", "tls")):
            a, b = pair(d, left, right)
            a.sendall(b"arrives")
            equal(receive_exactly(b, 7), b"arrives")
            a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            since = d.mark()
            a.close()
            equal(b.recv(1), b"")
            b.close()
            d.wait_log("closed why=reset", since)
            d.wait_log("closed why=local", since)


def test_a_reload_changes_nothing():
    data = os.urandom(MUCH)
    with relay() as d:
        a, b = pair(d, "plain", "tls")
        thread = send(a, data)
        half = receive_exactly(b, MUCH // 2)
        for one in d.listeners:
            one["plugin"] = test_plugin("relay", VERSION="v2")
        d.write_config()
        equal(d.reload_ready(), 2)
        check(half + receive_exactly(b, MUCH - len(half)) == data, "bytes")
        thread.join()
        moves(b, a, data[:100000])
        # The new code pipes, too.
        c, e = pair(d, "plain", "plain")
        moves(c, e, b"new")
        for s in a, b, c, e:
            s.close()


main()

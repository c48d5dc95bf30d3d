"""Data and FIN may come in one segment."""

import socket

from sluice_test import (Daemon, equal, listener, main, plugin, receive_all,
                         test_plugin)

TCP_CORK = 3


def send_with_fin(s, data):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    s.setsockopt(socket.IPPROTO_TCP, TCP_CORK, 1)
    s.send(data)
    s.shutdown(socket.SHUT_WR)  # FIN goes out on the corked segment


def test_echo():
    with Daemon(listener("echo", plugin("echo"))) as d:
        for _ in range(50):
            s = d.connect()
            send_with_fin(s, b"all I have to say")
            equal(receive_all(s), b"all I have to say")
            s.close()
        d.wait_log("closed why=peer in=17 out=17", count=50)


def test_callbacks():
    """Data is delivered before `end`, even when only part is consumed."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        send_with_fin(s, b"at end close\nsay one\nsay two\nand half")
        equal(receive_all(s), b"one\ntwo\n")
        d.wait_trace("close", 1)
        equal([e.split()[0] for e in d.trace(1)],
              ["open", "data", "end", "close"])


def test_answer_of_lines():
    with Daemon(listener("lines", plugin("lines"))) as d:
        s = d.connect()
        send_with_fin(s, b"a\nbb\nccc\n")
        equal(receive_all(s), b"1: 1\n2: 2\n3: 3\n")


main()

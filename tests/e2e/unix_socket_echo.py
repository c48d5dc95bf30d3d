"""Unix stream sockets behave like TCP."""

import os
import socket

from sluice_test import (Daemon, check, equal, exchange, listener, main,
                         plugin, receive_all, receive_line,
                         send_until_stalled, receive, test_plugin)


def daemon(plugin_path, workers=1, **settings):
    d = Daemon(listener("u", plugin_path, **settings), start=False,
               workers=workers)
    d.listener("u")["listen"] = "unix:" + d.path("socket")
    d.write_config()
    d.wants_start = True
    return d


def test_large():
    data = os.urandom(1 << 20) * 8
    with daemon(plugin("echo")) as d:
        check(exchange(d.connect(), data) == data)


def test_half_close():
    with daemon(plugin("echo")) as d:
        s = d.connect()
        s.sendall(b"all of it")
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), b"all of it")


def test_slow_reader():
    data = os.urandom(1 << 20) * 16
    with daemon(plugin("echo")) as d:
        s = d.connect()
        sent = send_until_stalled(s, data, quiet=0.1)
        check(sent < len(data))
        check(receive(s, sent) == data[:sent])


def test_addresses_and_both_workers():
    with daemon(test_plugin("command"), workers=2) as d:
        clients = []
        for _ in range(40):
            s = d.connect()
            s.sendall(b"facts\n")
            said = receive_line(s)
            check("family=%d port=0 " % socket.AF_UNIX in said, said)
            check("local=unix:%s " % d.path("socket") in said, said)
            check("remote=unix " in said, said)
            clients.append(s)


def test_polite_close_with_unread_input():
    """On a unix socket, close(2) with unread input acts as a reset."""
    with daemon(test_plugin("command"),
                limits={"write_buffer": "4MiB"}) as d:
        s = d.connect()
        s.sendall(b"write 100000\nclose\n" + b"n" * 50000)
        equal(len(receive_all(s)), 100000)


def test_terminate():
    with daemon(test_plugin("command")) as d:
        s = d.connect()
        s.sendall(b"fill\nterminate\n")
        d.wait_trace("close", 1)
        try:
            while s.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass


main()

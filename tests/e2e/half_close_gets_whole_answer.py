"""A client that half-closes, as `nc -N` does, gets its whole answer."""

import os
import shutil
import socket
import subprocess

from sluice_test import (DEADLINE, SLOW, Daemon, Skip, check, equal, exchange,
                         listener, main, pattern, plugin, receive,
                         receive_all, test_plugin)


def test_echo():
    data = os.urandom(200000)
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), data, "echo")
        d.wait_log("closed why=peer in=200000 out=200000")


def test_nc():
    if shutil.which("nc") is None:
        raise Skip("nc is not installed")
    data = os.urandom(3 << 20)
    with Daemon(listener("echo", plugin("echo"))) as d:
        result = subprocess.run(
            ["nc", "-N", "127.0.0.1", str(d.port("echo"))], input=data,
            stdout=subprocess.PIPE, timeout=DEADLINE * SLOW)
        check(result.stdout == data, "nc got", len(result.stdout), "bytes")


def test_queued_answer_outlives_the_peers_end():
    """A FIN while megabytes are queued loses nothing."""
    with Daemon(listener("c", test_plugin("command", WITHOUT_END=True),
                         limits={"write_queue": "64MiB",
                                 "write_buffer": "64MiB"})) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"stream 20000000\n")
        s.shutdown(socket.SHUT_WR)
        d.wait_trace("call", count=1)
        check(receive_all(s) == pattern(20000000), "the answer differs")
        d.wait_trace("close", 1)
        equal(d.trace(1)[-1].split()[1], "1", "why")


def test_absent_end_closes_in_answer():
    """Without an `end` handler, the daemon ends its output as well."""
    with Daemon(listener("c", test_plugin("command",
                                          WITHOUT_END=True))) as d:
        s = d.connect()
        s.sendall(b"write 1000\n")
        equal(receive(s, 1000), pattern(1000))
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), b"")
        d.wait_trace("close", 1)


def test_present_end_keeps_half_open():
    """With an `end` handler, the plugin may go on sending."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"at timer close\nat end tick 20 5\ntimer 1 300\n")
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), b"tick\n" * 5)
        d.wait_trace("close", 1)
        events = [e.split()[0] for e in d.trace(1)]
        equal(events, ["open", "data", "end", "timer", "close"])


def test_everything_before_the_end_is_presented():
    """`end` comes after all data, also when the data waited for output."""
    data = os.urandom(1 << 20)
    with Daemon(listener("echo", plugin("echo"),
                         limits={"read_buffer": 1024,
                                 "write_buffer": 1024})) as d:
        s = d.connect(receive_buffer=4096)
        check(exchange(s, data) == data)
        s.sendall(b"the last words")
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), b"the last words")


main()

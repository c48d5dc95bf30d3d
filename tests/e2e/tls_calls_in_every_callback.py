"""Writes, pauses and ends from each callback of a TLS connection."""

import os

from sluice_test import (Daemon, check, equal, main, pattern, plugin,
                         test_plugin)
from harness.tls import (V12, V13, Peer, client_context, tls_connect,
                         tls_listener)

BOTH = V12, V13


def command(**options):
    return Daemon(tls_listener("c", test_plugin("command"),
                               options=options))


def connect(d, version):
    return tls_connect(d, context=client_context(version))


def events(d, connection=1):
    return [e.split()[0] for e in d.trace(connection)]


def test_write_in_handshake():
    for version in BOTH:
        with command(at_handshake="send 1000") as d:
            p = connect(d, version)
            p.write(b"say next\n")
            got = p.receive(1005)
            equal(got, pattern(1000) + b"next\n")
            d.wait_log(" call send = 0$")


def test_much_in_handshake():
    for version in BOTH:
        with command(at_handshake="send 200000") as d:
            p = connect(d, version)
            check(p.receive(200000) == pattern(200000), "it differs")


def test_write_in_open():
    for version in BOTH:
        with command(at_open="stream 500000") as d:
            p = connect(d, version)
            check(p.receive(500000) == pattern(500000), "it differs")
            p.write(b"say next\n")
            equal(p.receive(5), b"next\n")


def test_end_in_open():
    for version in BOTH:
        with command(at_open="end 100000") as d:
            p = connect(d, version)
            check(p.receive_all() == pattern(100000), "it differs")
            p.close_notify()
            p.sock.close()
            d.wait_trace("close", 1)


def test_write_in_close():
    """The peer has ended, so that nobody gets it; nothing breaks."""
    for version in BOTH:
        with command(at_close="send 1000") as d:
            p = connect(d, version)
            p.close_notify()
            d.wait_trace("close", 1)
            p.sock.close()
            d.wait_log(" call send = ")


def test_close_in_handshake():
    """Then `open` never comes, nor `close`; the client gets close_notify."""
    for version in BOTH:
        with command(at_handshake="close") as d:
            p = Peer(d.connect(), client_context(version)).handshake()
            equal(p.receive_all(), b"")
            p.sock.close()
            d.wait_log("conn 1 c .* closed why=")
            equal(events(d), ["handshake"])


def test_terminate_in_handshake():
    for version in BOTH:
        with command(at_handshake="terminate") as d:
            p = Peer(d.connect(), client_context(version))
            try:
                p.handshake()
                p.receive_all()
                check(False, "the end looks regular")
            except OSError:
                pass
            d.wait_log("conn 1 c .* closed why=")
            equal(events(d), ["handshake"])


def test_calls_after_a_failed_handshake():
    """They fail, and the connection ends as it would have."""
    for what in "send 10", "close", "terminate", "end 5", "pause", "resume":
        with command(at_handshake=what) as d:
            s = d.connect()
            s.sendall(b"no TLS at all, but long enough for a record\n")
            d.wait_log("conn 1 c .* closed why=handshake ")
            equal(events(d), ["handshake"])
            s.close()


def test_refused_by_open():
    for version in BOTH:
        with command(at_open="fail") as d:
            p = Peer(d.connect(), client_context(version))
            try:
                p.handshake()
                equal(p.receive_all(), b"")
            except OSError:
                pass
            p.sock.close()
            d.wait_log("conn 1 c .* closed why=plugin ")
            equal(events(d), ["handshake", "refuse"])


def test_pause_in_handshake():
    """What comes waits until a resume."""
    for version in BOTH:
        with command(at_handshake="pause",
                     at_open="at timer resume;timer 1 200") as d:
            p = connect(d, version)
            p.write(b"say later\n")
            equal(p.receive(6), b"later\n")
            d.wait_log(" call pause = 0$")
            d.wait_trace("data", 1)
            equal(events(d), ["handshake", "open", "timer", "data"])


def test_pause_with_decrypted_bytes_pending():
    """Half a record has been read when the plugin pauses."""
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.write(b"at timer resume\ntimer 1 100\npause\n"
                    + b"say more\n" * 1000)
            equal(p.receive(5000), b"more\n" * 1000)
            d.wait_trace("timer", 1)
            p.write(b"say end\n")
            equal(p.receive(4), b"end\n")


def test_pause_behind_close_notify():
    """The end of the input is told when the plugin goes on."""
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.tls.write(b"at timer resume\ntimer 1 200\npause\nsay done\n")
            p.step(p.tls.unwrap)
            p.flush()
            equal(p.receive_all(), b"done\n")
            p.sock.close()
            d.wait_trace("close", 1)
            equal(events(d), ["handshake", "open", "data", "timer", "data",
                              "end", "close"])


def test_small_read_buffer_and_pauses():
    """A record is larger than what the plugin is shown at once."""
    data = os.urandom(100000)
    with Daemon(tls_listener("echo", plugin("echo"),
                             limits={"read_buffer": 512,
                                     "write_buffer": 512})) as d:
        for version in BOTH:
            p = connect(d, version)
            check(p.exchange(data) == data, "it differs")
            p.sock.close()


main()

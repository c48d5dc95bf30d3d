"""How a TLS connection ends, and what each side still gets."""

import os
import socket
import ssl

from sluice_test import (Daemon, check, equal, main, pattern,
                         plugin, reset, test_plugin)
from harness.tls import (V12, V13, Peer, client_context, tls_connect,
                         tls_listener)

BOTH = V12, V13


def command(**settings):
    return Daemon(tls_listener("c", test_plugin("command"), **settings))


def connect(d, version, **how):
    return tls_connect(d, context=client_context(version), **how)


def events(d, connection):
    return [e.split()[0] for e in d.trace(connection)]


def test_client_that_never_reads():
    """It writes and closes: its unread tickets make its close a reset."""
    for version in BOTH:
        with command() as d:
            for i in range(1, 21):
                p = Peer(d.connect(), client_context(version))
                p.handshake_unsent()
                p.tls.write(b"sink\n" + bytes(20000))
                p.tls.write(b"the last words")
                p.step(p.tls.unwrap)
                p.flush()
                p.sock.close()
                d.wait_trace("close", i)
                equal(d.trace(i)[-1].split()[7], "20014", "arrived")


def test_client_that_resets_behind_its_words():
    """The ticket was not read, so the kernel answers with a reset."""
    with command() as d:
        p = connect(d, V13)
        p.write(b"sink\n" + b"x" * 1000)
        p.sock.close()
        d.wait_trace("close", 1)
        equal(d.trace(1)[-1].split()[7], "1000", "arrived")


def test_close_notify_is_answered():
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.close_notify()
            equal(p.receive_all(), b"")
            check(not p.fill(), "no FIN behind close_notify")
            d.wait_trace("close", 1)
            equal(events(d, 1)[1:], ["open", "end", "close"])
            d.wait_log("closed why=peer ")


def test_fin_without_close_notify_is_truncation():
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.write(b"sink\nabc")
            p.sock.shutdown(socket.SHUT_WR)
            d.wait_trace("error", 1)
            d.wait_trace("close", 1)
            equal(d.trace(1)[-2].split()[:2], ["error", "9"])
            equal(d.trace(1)[-1].split()[1], "9", "why")
            equal(d.trace(1)[-1].split()[7], "3", "arrived before it")
            d.wait_log("conn 1 c .*closed why=truncated in=8 ")


def test_fin_inside_a_record_is_truncation():
    with command() as d:
        p = connect(d, V13)
        p.tls.write(b"sink\nwhole")
        p.flush()
        p.tls.write(b"cut")
        p.sock.sendall(p.made()[:-1])
        p.sock.shutdown(socket.SHUT_WR)
        d.wait_trace("close", 1)
        equal(d.trace(1)[-1].split()[1], "9", "why")
        equal(d.trace(1)[-1].split()[7], "5", "arrived before it")


def test_reset_is_a_reset():
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.write(b"say ho\n")
            p.receive(3)
            reset(p.sock)
            d.wait_trace("close", 1)
            equal(d.trace(1)[-1].split()[1], "3", "why")


def test_peer_half_closed_gets_more():
    """It has sent close_notify; the plugin sends on, then ends."""
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.write(b"at end end 500000\n")
            p.close_notify()
            d.wait_trace("end", 1)
            check(p.receive_all() == pattern(500000), "the answer differs")
            p.sock.close()
            d.wait_log("closed why=peer in=.* out=500000 ")


def test_we_half_close_and_hear_more():
    """Our close_notify has gone; what the peer sends still arrives."""
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.write(b"at end got\nend 5\nsink\n")
            equal(p.receive_all(), b"01234")
            p.tls.write(b"x" * 50000)
            p.flush()
            p.close_notify()
            d.wait_trace("close", 1)
            equal(d.trace(1)[-1].split()[7], "50000", "arrived")
            equal(d.trace(1)[-1].split()[1], "2", "why")


def test_plugin_closes():
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.write(b"write 1000\nclose\n")
            equal(p.receive_all(), pattern(1000))
            p.close_notify()
            p.sock.close()
            d.wait_trace("close", 1)
            d.wait_log("closed why=local in=.* out=1000 ")


def test_plugin_terminates():
    """A reset, without close_notify: the client must not take it for an end."""
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.write(b"terminate\n")
            try:
                equal(p.receive_all(), "a reset")
            except (ConnectionResetError, ssl.SSLError):
                pass
            d.wait_trace("close", 1)


def test_data_before_a_fatal_alert_comes_first():
    """Then `error` with the alert's name, then `close`."""
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.tls.write(b"sink\n" + b"y" * 30000)
            data = bytearray(p.made())
            p.tls.write(b"spoilt")
            spoilt = bytearray(p.made())
            spoilt[-1] ^= 1
            p.sock.sendall(data + spoilt)
            d.wait_trace("close", 1)
            equal(events(d, 1)[-2:], ["error", "close"])
            equal(d.trace(1)[-1].split()[7], "30000", "arrived")
            equal(d.trace(1)[-1].split()[1], "8", "why")
            try:
                p.receive_all()
            except ssl.SSLError as error:
                check("BAD_RECORD_MAC" in str(error), error)
            else:
                check(False, "no alert came back")


def test_alert_of_the_peer():
    """Its reason has the name of the alert."""
    with command() as d:
        p = connect(d, V12)
        p.write(b"say hello\n")
        record = bytearray(p.sock.recv(1000))
        record[-1] ^= 1                 # so it will send bad_record_mac
        p.incoming.write(bytes(record))
        p.tls.write(b"sink\nbefore")
        try:
            p.tls.read(100)
            check(False, "the client accepted a spoilt record")
        except ssl.SSLError:
            p.flush()
        d.wait_trace("close", 1)
        line = d.trace(1)[-2]
        check("error 8" in line and "bad record mac" in line, line)
        equal(d.trace(1)[-1].split()[7], "6", "arrived before it")


def test_two_half_closed_peers():
    """Both have sent close_notify at the same time."""
    for version in BOTH:
        with command() as d:
            p = connect(d, version)
            p.tls.write(b"at end got\nend 3\n")
            p.step(p.tls.unwrap)
            p.flush()
            equal(p.receive_all(), b"012")
            check(not p.fill(), "no FIN")
            d.wait_trace("close", 1)
            equal(events(d, 1)[-1], "close")


def test_close_notify_crosses_data():
    """Ours and theirs are both on their way, with data before each."""
    with Daemon(tls_listener("echo", plugin("echo"))) as d:
        data = os.urandom(100000)
        p = tls_connect(d)
        p.tls.write(data)
        p.step(p.tls.unwrap)
        p.flush()
        equal(p.receive_all(), data)


main()

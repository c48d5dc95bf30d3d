"""Echo over TLS returns every byte, by any record size, and over reloads."""

import os
import random
import socket
import ssl
import threading

from sluice_test import (SANITIZED, Daemon, check, equal, listener, main,
                         plugin)
from harness.tls import (V12, V13, Peer, client_context, keys, leaf,
                         tls_connect, tls_listener)

MUCH = (8 if SANITIZED else 64) << 20
SIZES = (1, 2, 100, 1369, 4096, 5000, 16383, 16384, 16384, 16384)
SMALL = {"read_buffer": "1KiB", "write_buffer": "1KiB"}


def echo(**settings):
    return Daemon(tls_listener("echo", plugin("echo"), **settings))


def same(got, data):
    check(got == data, "what came back differs:", len(got), "bytes")


def ends_well(d, p, count):
    p.close_notify()
    equal(p.receive_all(), b"", "bytes behind the last")
    check(not p.fill(), "bytes behind close_notify")
    d.wait_log("closed why=peer in=%d out=%d " % (count, count))


def test_every_version_and_kind_of_key_on_one_listener():
    rsa, ec = leaf("rsa", kind="rsa"), leaf("ec")
    data = os.urandom(100000)
    with Daemon(tls_listener("echo", plugin("echo"), keys(rsa, ec))) as d:
        for version, cipher, expected in (
                (V12, "ECDHE-RSA-AES128-GCM-SHA256", rsa),
                (V12, "ECDHE-ECDSA-AES256-GCM-SHA384", ec),
                (V12, "ECDHE-RSA-CHACHA20-POLY1305", rsa),
                (V13, None, ec)):
            p = tls_connect(d, context=client_context(version,
                                                      ciphers=cipher))
            equal(p.tls.version(), "TLSv1.%d" % (2 if cipher else 3))
            with open(expected.cert) as file:
                text = file.read()
            equal(p.tls.getpeercert(True), ssl.PEM_cert_to_DER_cert(text))
            same(p.exchange(data), data)
            p.close_notify()
            equal(p.receive_all(), b"")
            p.sock.close()


def much(version, **settings):
    data = os.urandom(MUCH)
    reloads = [at * MUCH // 4 for at in (1, 2, 3)]

    with echo(**settings) as d:
        def between(count):
            if reloads and count >= reloads[0]:
                reloads.pop(0)
                d.reload(wait=False)

        p = tls_connect(d, context=client_context(version),
                        receive_buffer=8192, send_buffer=8192)
        same(p.exchange(data, SIZES, between=between), data)
        ends_well(d, p, MUCH)
        d.wait_log(r"generation [234] ready")
        check(not d.log_lines("refused"), "a reload was refused")


def test_much_by_tls_1_3():
    much(V13)


def test_much_by_tls_1_2():
    much(V12)


def test_small_limits():
    data = os.urandom(MUCH // 16)
    with echo(limits=SMALL) as d:
        p = tls_connect(d)
        same(p.exchange(data, SIZES), data)
        ends_well(d, p, len(data))


def test_small_fragments():
    data = os.urandom(1 << 20)
    with Daemon(tls_listener("echo", plugin("echo"),
                             keys(max_send_fragment=512))) as d:
        p = tls_connect(d)
        same(p.exchange(data), data)
        ends_well(d, p, len(data))


def test_odd_segments():
    """Records are cut anywhere, and several come at once."""
    data = os.urandom(200000)
    for pieces in 1, 7, 1000:
        with echo() as d:
            p = tls_connect(d)
            part = data[:3000] if pieces == 1 else data
            same(p.exchange(part, (1, 300, 5000), pieces), part)
            ends_well(d, p, len(part))


def test_half_close_gets_the_whole_answer():
    """Everything, close_notify and FIN are there before the first echo."""
    data = os.urandom(300000)
    for version in V12, V13:
        for fin in False, True:
            with echo(limits=SMALL) as d:
                p = tls_connect(d, context=client_context(version),
                                send_buffer=1 << 20)
                p.tls.write(data)
                p.step(p.tls.unwrap)
                sender = threading.Thread(target=p.sock.sendall,
                                          args=(p.made(),))
                sender.start()
                parts = bytearray()
                while len(parts) < len(data):
                    p.fill()
                    part = p.step(p.tls.read, 1 << 18)
                    while part:
                        parts += part
                        part = p.step(p.tls.read, 1 << 18)
                sender.join()
                same(bytes(parts), data)
                if fin:
                    p.sock.shutdown(socket.SHUT_WR)
                equal(p.receive_all(), b"")
                p.sock.close()
                d.wait_log("closed why=peer in=300000 out=300000 ")


def test_many_at_once():
    with Daemon(tls_listener("echo", plugin("echo")), workers=2) as d:
        peers = [tls_connect(d, context=client_context(
            random.choice((V12, V13)))) for _ in range(50)]
        for _ in range(3):
            texts = [os.urandom(random.randrange(1, 40000)) for _ in peers]
            for p, text in zip(peers, texts):
                p.write(text)
            for p, text in zip(peers, texts):
                same(p.receive(len(text)), text)


def test_plain_and_tls_side_by_side():
    with Daemon(tls_listener("echo", plugin("echo")),
                listener("plain", plugin("echo"))) as d:
        p, s = tls_connect(d), d.connect("plain")
        p.write(b"secret")
        s.sendall(b"public")
        equal(p.receive(6), b"secret")
        equal(s.recv(100), b"public")


def test_unix_socket():
    with Daemon(start=False) as d:
        d.listeners = [tls_listener("echo", plugin("echo"),
                                    listen="unix:" + d.path("socket"))]
        d.write_config()
        d.start()
        data = os.urandom(500000)
        p = Peer(d.connect(address="unix:" + d.path("socket"))).handshake()
        same(p.exchange(data, SIZES), data)
        p.close_notify()
        equal(p.receive_all(), b"")
        p.sock.close()
        d.wait_log("closed why=peer in=500000 out=500000 ")


main()

"""Handshakes that are garbage, cut off or spoilt: an alert, and nothing left."""

import os
import random
import re
import socket
import ssl

from sluice_test import (SANITIZED, Daemon, check, connection_descriptors,
                         equal, main, memory, plugin,
                         wait_until)
from harness.tls import (V12, V13, Peer, client_context, keys, tls_connect,
                         tls_listener)

MANY = 500 if SANITIZED else 5000
AT_ONCE = 50
GROWTH = 1 << 20
BOTH = V12, V13


def works(d):
    p = tls_connect(d, "echo")
    p.write(b"alive")
    equal(p.receive(5), b"alive")
    p.sock.close()


def hello(version=V13):
    return Peer(None, client_context(version)).hello()


def flip(data):
    """One bit is another."""
    spoilt = bytearray(data)
    spoilt[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(spoilt)


def record(kind, body, version=b"\3\3"):
    return bytes([kind]) + version + len(body).to_bytes(2, "big") + body


def one_of_many(good):
    """Some bytes that are no handshake."""
    kind = random.randrange(6)
    if kind == 0:
        return os.urandom(random.randrange(1, 2000))
    if kind == 1:
        return good[:random.randrange(1, len(good))]
    if kind == 2:
        return record(22, os.urandom(random.randrange(1, 600)))
    if kind == 3:
        return record(random.randrange(19, 26), os.urandom(20)) + good
    if kind == 4:
        return good + os.urandom(random.randrange(1, 300))
    return flip(good)


def spoil(s, context):
    """The client's second flight has one bit wrong."""
    p = Peer(s, context)
    p.sock.sendall(p.hello())
    while not p.outgoing.pending:
        p.fill()
        p.step(p.tls.do_handshake)
    p.sock.sendall(flip(p.made()))


def finish(sockets):
    """They send FIN, and read until the daemon ends them."""
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass                        # it was faster
    for s in sockets:
        try:
            while s.recv(1 << 16):
                pass
        except OSError:
            pass
        s.close()


def test_thousands():
    contexts = [client_context(version) for version in BOTH]
    goods = [hello(version) for version in BOTH for _ in range(10)]
    with Daemon(tls_listener("echo", plugin("echo"))) as d:
        works(d)
        worker, early = d.workers()[0], None
        address = d.addresses("echo")[0]        # to look it up takes long
        for done in range(0, MANY, AT_ONCE):
            sockets = []
            for _ in range(AT_ONCE):
                s = d.connect(address=address)
                sockets.append(s)
                if random.randrange(10) == 0:
                    spoil(s, random.choice(contexts))
                else:
                    s.sendall(one_of_many(random.choice(goods)))
            finish(sockets)
            if done % 500 == 0:
                works(d)
            if done >= MANY // 2 and early is None:
                early = memory(worker)
        d.wait_log("conn .* closed why=handshake ", count=MANY)
        equal(len(d.log_lines("conn .* closed why=handshake ")), MANY)
        wait_until(lambda: not connection_descriptors(worker),
                   "the descriptors to be closed")
        if not SANITIZED:
            check(memory(worker) - early < GROWTH, "memory: from", early,
                  "to", memory(worker))
        works(d)


def answer(d, data):
    """The number of the alert that these bytes are answered with."""
    s = d.connect("echo")
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    got = b""
    try:
        while part := s.recv(1 << 16):
            got += part
    except ConnectionResetError:
        pass
    s.close()
    return got[6] if got[:1] == b"\x15" and len(got) == 7 else None


def test_the_right_alert():
    good = hello(V12)
    old = good[:9] + b"\3\1" + good[11:]        # TLS 1.0 at most
    huge = record(22, b"\1\3\0\0" + bytes(100))
    with Daemon(tls_listener("echo", plugin("echo"))) as d:
        live = tls_connect(d)
        for what, data, alert in (
                ("TLS 1.0", old, 70),
                ("a message of 192 KiB", huge, 47),
                ("data first", record(23, b"x" * 50), 10),
                ("another message first", record(22, b"\2\0\0\4abcd"), 10),
                ("a record that is too long",
                 b"\x16\3\1\x48\1" + bytes(18433), 22),
                ("HTTP", b"GET / HTTP/1.1\r\n\r\n", None),
                ("half a hello", good[:100], 50),
                ("nothing", b"", None)):
            equal(answer(d, data), alert, what)
            live.write(b"unharmed")     # by OpenSSL's queue of errors
            equal(live.receive(8), b"unharmed")
        works(d)


def why_failed(d, number):
    """What the last line of the connection says, if it says anything."""
    line = d.wait_log("conn %d echo .* closed why=.*$" % number)[0]
    found = re.search(r"why=handshake .* gen=1 reason=\"(.*)\"$", line)
    return found and found[1]


def test_the_log_says_why():
    good = hello(V12)
    old = good[:9] + b"\3\1" + good[11:]        # TLS 1.0 at most
    with Daemon(tls_listener("echo", plugin("echo"),
                             timeouts={"handshake": "1s"})) as d:
        for number, (data, reason) in enumerate((
                (old, "unsupported protocol"),
                (b"GET / HTTP/1.1\r\n\r\n", "http request"),
                (b"EHLO example.org\r\n",
                 "wrong version number, as if it did not speak TLS"),
                (b"", "the peer has ended the connection")), 1):
            answer(d, data)
            equal(why_failed(d, number), reason)
        p = Peer(d.connect(), client_context(ca="strangers"))
        try:
            p.handshake()
        except ssl.SSLError:
            pass
        p.sock.close()
        equal(why_failed(d, 5),
              r"the peer sent the alert \"unknown CA\"")
        silent = d.connect()
        equal(why_failed(d, 6),
              "it was not complete within the handshake timeout")
        silent.close()
        works(d)
        equal(why_failed(d, 7), None)


def test_hello_in_pieces():
    """In segments of one byte, and in records of one byte."""
    with Daemon(tls_listener("echo", plugin("echo"))) as d:
        for version in BOTH:
            for records in False, True:
                p = Peer(d.connect(), client_context(version))
                data = p.hello()
                if records:
                    body = data[5:]
                    data = b"".join(record(22, body[i:i + 1], b"\3\1")
                                    for i in range(len(body)))
                for i in range(len(data)):
                    p.sock.sendall(data[i:i + 1])
                p.handshake()
                p.write(b"whole")
                equal(p.receive(5), b"whole")
                p.sock.close()


def test_hello_over_16_kib():
    protocols = ["%d" % i + "x" * 200 for i in range(300)]
    with Daemon(tls_listener("echo", plugin("echo"),
                             keys(alpn=protocols[7]))) as d:
        for version in BOTH:
            context = client_context(version)
            context.set_alpn_protocols(protocols)
            p = Peer(d.connect(), context)
            data = p.hello()
            check(len(data) > 3 << 14, len(data))
            p.sock.sendall(data)
            p.handshake()
            equal(p.tls.selected_alpn_protocol(), protocols[7])
            p.write(b"long")
            equal(p.receive(4), b"long")
            p.sock.close()


main()

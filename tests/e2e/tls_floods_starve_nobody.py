"""A peer that sends more work than data delays no other connection."""

import random
import threading

from sluice_test import (SANITIZED, Daemon, check, equal, main, memory,
                         plugin)
from harness.openssl import NOT_REQUESTED, REQUESTED, RawPeer
from harness.tls import (V12, V13, Peer, client_context, tls_connect,
                         tls_listener)

MANY = 20000 if SANITIZED else 100000
# What the quiet client gets answered while the flood is taken.  A worker that
# takes the whole flood at once answers two or three times.
ANSWERS = 8
GROWTH = 4 << 20
RECORDS = 300000


def daemon():
    return Daemon(tls_listener("echo", plugin("echo")),
                  tls_listener("sink", plugin("discard")))


def answered(p):
    p.write(b"x")
    equal(p.receive(1), b"x")


def flood(d, sock, data):
    """Send it; how often another client is answered before all is taken."""
    quiet, answers = tls_connect(d, "echo"), 0

    def send():
        try:
            sock.sendall(data)
            while sock.recv(1 << 16):
                pass
        except OSError:
            pass                        # a reset: it was thrown out

    before = memory(d.workers()[0])
    sender = threading.Thread(target=send)
    sender.start()
    while sender.is_alive():
        answered(quiet)
        answers += 1
    if not SANITIZED:
        grown = memory(d.workers()[0]) - before
        check(grown < GROWTH, "the worker has grown by", grown, "bytes")
    return answers


def test_key_updates():
    """With no data between them they end the connection, and say why."""
    for kind in REQUESTED, NOT_REQUESTED:
        with daemon() as d:
            p = RawPeer(d.connect()).handshake()
            p.write(b"hello")
            equal(p.receive(5), b"hello")
            for _ in range(MANY):
                p.key_update(kind)
            flood(d, p.sock, p.made())
            d.wait_log("conn 1 echo .* closed why=tls in=5 out=5 ")
            answered(tls_connect(d))


def test_key_updates_before_each_byte():
    with daemon() as d:
        p = RawPeer(d.connect("sink")).handshake()
        count = MANY // 30
        for _ in range(count):
            for _ in range(30):
                p.key_update(NOT_REQUESTED)
            p.lib.SSL_write(p.tls, b"y", 1)
        p.lib.SSL_shutdown(p.tls)
        answers = flood(d, p.sock, p.made())
        check(answers > ANSWERS, "only", answers, "answers")
        d.wait_log("conn 1 sink .* closed .*in=%d " % count)


def test_key_updates_in_good_measure():
    """One before and behind each record is fine."""
    with daemon() as d:
        p = RawPeer(d.connect()).handshake()
        for i in range(500):
            p.key_update(random.choice((REQUESTED, NOT_REQUESTED)))
            text = b"%d bottles" % i
            p.write(text)
            p.key_update(REQUESTED)
            p.flush()
            equal(p.receive(len(text)), text)


def test_tiny_records():
    for version in V12, V13:
        with daemon() as d:
            p = tls_connect(d, "sink", client_context(version))
            for _ in range(RECORDS):
                p.tls.write(b"z")
            p.step(p.tls.unwrap)
            answers = flood(d, p.sock, p.made())
            check(answers > ANSWERS, "only", answers, "answers")
            d.wait_log("conn 1 sink .* closed .*in=%d " % RECORDS)


def handshakes(d, count):
    """Many clients at once: hellos only, or whole handshakes."""
    hellos = []
    for _ in range(count):
        p = Peer(d.connect("sink"), client_context(random.choice((V12, V13))))
        hellos.append((p, p.hello()))
    return hellos


def test_handshakes_do_not_delay_open_connections():
    count = 300
    with daemon() as d:
        quiet, answers = tls_connect(d), 0
        waiting = handshakes(d, count)
        for p, hello in waiting:
            p.sock.sendall(hello)
        for p, _ in waiting:
            p.sock.setblocking(False)
        left = list(waiting)
        while left:
            answered(quiet)
            answers += 1
            for one in left[:]:
                try:
                    one[0].incoming.write(one[0].sock.recv(1 << 16))
                    left.remove(one)
                except BlockingIOError:
                    pass
        check(answers > 3, "only", answers, "answers")
        for p, _ in waiting:
            p.sock.settimeout(60)
            p.handshake()
            p.close_notify()
            equal(p.receive_all(), b"")


main()

"""Records that no decent client sends: empty, padded, of the wrong kind."""

from sluice_test import Daemon, check, equal, main, test_plugin
from harness.records import ALERT, DATA, HANDSHAKE, Records
from harness.tls import tls_connect, tls_listener

FULL = 1 << 14


def daemon():
    return Daemon(tls_listener("c", test_plugin("command")))


def works(d):
    p = tls_connect(d)
    p.write(b"say next\n")
    equal(p.receive(5), b"next\n")
    p.close_notify()
    p.sock.close()


def test_a_few_are_fine():
    """Empty ones and padding, between the bytes of a command."""
    with daemon() as d:
        r = Records(d.connect())
        parts = []
        for byte in b"say through\n":
            parts += [r.record(b""),
                      r.record(bytes([byte])),
                      r.record(b"", padding=1000)]
        r.sock.sendall(b"".join(parts))
        equal(r.peer.receive(8), b"through\n")


def test_largest():
    with daemon() as d:
        r = Records(d.connect())
        r.sock.sendall(r.record(b"sink\n"))
        r.sock.sendall(r.record(b"x" * FULL))
        r.sock.sendall(r.record(b"y", padding=FULL - 1))
        r.sock.sendall(r.record(b"\1\0", ALERT))        # close_notify
        d.wait_trace("close", 1)
        equal(d.trace(1)[-1].split()[7], str(FULL + 1), "arrived")


def test_empty_flood():
    with daemon() as d:
        r = Records(d.connect())
        flood = b"".join(r.record(b"") for _ in range(20000))
        try:
            r.sock.sendall(flood)
        except OSError:
            pass                        # it is over already
        d.wait_log("conn 1 c .* closed why=tls ")
        works(d)


def ended(content, kind, **more):
    """Such a record, behind data, ends the connection; the data arrived."""
    with daemon() as d:
        r = Records(d.connect())
        r.sock.sendall(r.record(b"sink\nbefore")
                       + r.record(content, kind, **more))
        d.wait_trace("error 8", 1)
        d.wait_trace("close", 1)
        equal(d.trace(1)[-1].split()[7], "6", "arrived before it")
        works(d)
        return d.trace(1)[-2]


def test_wrong_kinds():
    ended(b"z" * 10, 99)
    ended(b"", 0)                       # nothing but padding
    ended(b"", ALERT)
    ended(b"", HANDSHAKE)
    ended(b"z" * (FULL + 1), DATA)
    ended(b"\1\0\0\x02zz", HANDSHAKE)   # a hello
    ended(b"\x18\0\0\1\7", HANDSHAKE)   # a key update of no kind


def test_alerts_say_their_name():
    for number, name in (80, "internal error"), (49, "access denied"):
        line = ended(bytes([2, number]), ALERT)
        check(name in line, "no", name, "in", line)


def test_user_canceled_is_no_end():
    """It is a warning in TLS 1.3, which close_notify follows."""
    with daemon() as d:
        r = Records(d.connect())
        r.sock.sendall(r.record(b"\1\x5a", ALERT)
                       + r.record(b"say still here\n"))
        equal(r.peer.receive(11), b"still here\n")


main()

"""SNI chooses the certificate; ALPN chooses the protocol, or nobody gets in."""

import re
import ssl
import subprocess

from sluice_test import Daemon, check, equal, main, need, plugin
from harness.places import patience
from harness.tls import (V12, V13, Peer, authority, client_context, keys,
                         leaf, tls_connect, tls_listener)

BOTH = V12, V13
LONG = "x" * 63 + "." + "y" * 63 + "." + "z" * 63 + ".wild.test"


def entry(name, *names):
    return keys(leaf(name, names=["DNS:" + one for one in names]),
                names=list(names))


def daemon(**more):
    table = [entry("one", "one.test"), entry("wild", "*.wild.test"),
             entry("exact", "exact.wild.test", "*.more.test"),
             entry("puny", "xn--bcher-kva.test")]
    return Daemon(tls_listener("echo", plugin("echo"),
                               keys(sni=table, **more)))


def asks(d, name, *more):
    """What openssl is told: (subject, alert)."""
    name = ["-noservername"] if name is None else ["-servername", name]
    result = subprocess.run(
        [need("openssl"), "s_client", "-connect", "127.0.0.1:%d"
         % d.port("echo"), "-CAfile", authority().cert, *name, *more],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=patience())
    text = result.stdout.decode("utf-8", "replace")
    subject = re.search(r"^subject=CN *= *(\S+)", text, re.M)
    alert = re.search(r"SSL alert number (\d+)", text)
    return subject and subject.group(1), alert and int(alert.group(1))


NAMES = {
    "one.test": "one", "ONE.Test": "one", "one.test.": "one",
    "a.wild.test": "wild", "A.WILD.TEST.": "wild",
    "exact.wild.test": "exact", "EXACT.wild.test": "exact",
    "b.more.test": "exact", "xn--bcher-kva.test": "puny",
}
UNKNOWN = ("two.test", "one.test.example", "wild.test", "a.b.wild.test",
           ".wild.test", "*.b.wild.test", "127.0.0.1", "::1",
           "b\u00fccher.test", "one.test..", LONG, "localhost")


def test_who_gets_which():
    for version in "-tls1_2", "-tls1_3":
        with daemon() as d:
            for name, expected in NAMES.items():
                equal(asks(d, name, version), (expected, None), name)
            for name in UNKNOWN + (None,):
                equal(asks(d, name, version), ("leaf", None), name)


def shown(name):
    """As the log has it: tidied up, and cut where it is long."""
    return name.lower().removesuffix(".")[:90]


def test_unknown_names_are_rejected():
    for version in "-tls1_2", "-tls1_3":
        with daemon(unknown_sni="reject") as d:
            for name, expected in NAMES.items():
                equal(asks(d, name, version), (expected, None), name)
            equal(asks(d, None, version), ("leaf", None), "no name")
            for name in UNKNOWN:
                since = d.mark()
                equal(asks(d, name, version), (None, 112), name)
                d.wait_log("why=handshake .* reason=\"there is no certificate "
                           "for the name %s" % re.escape(shown(name)), since)


def test_strange_bytes_in_a_name():
    """Whatever becomes of them, the next client is served."""
    with daemon() as d:
        for bytes_ in (b"one\0test", b"\xff\xfe\xfd.test", b"........",
                       b"*.*.test", b"one test", b"\n\n\n\n\n\n\n\n"):
            for version in BOTH:
                p = Peer(d.connect(), client_context(version),
                         name="one.test")
                p.sock.sendall(p.hello().replace(b"one.test", bytes_))
                p.fill()
                p.sock.close()
        equal(asks(d, "one.test"), ("one", None))


def alpn(*offered, version=V13):
    context = client_context(version)
    if offered:
        context.set_alpn_protocols(list(offered))
    return context


def chosen(d, context, **where):
    p = tls_connect(d, context=context, **where)
    p.write(b"alive")
    equal(p.receive(5), b"alive")
    p.close_notify()
    p.receive_all()
    p.sock.close()
    return p.tls.selected_alpn_protocol()


def test_alpn():
    """The listener's order counts, not the client's."""
    long = "l" * 255
    for version in BOTH:
        with daemon(alpn=["h2", "http/1.1", long]) as d:
            for offered, expected in (
                    (("http/1.1", "h2"), "h2"),
                    (("other", "http/1.1"), "http/1.1"),
                    ((long,), long), ((), None)):
                for name in "localhost", "one.test":
                    equal(chosen(d, alpn(*offered, version=version),
                                 name=name), expected)


def test_alpn_without_overlap():
    for version in BOTH:
        with daemon(alpn="h2") as d:
            for offered in ("http/1.1",), ("h", "h22", "H2"):
                for name in "localhost", "one.test":
                    p = Peer(d.connect(), alpn(*offered, version=version),
                             name=name)
                    try:
                        p.handshake()
                    except ssl.SSLError as error:
                        check("no application protocol" in str(error), error)
                    else:
                        check(False, "no alert")
                    p.sock.close()
            equal(chosen(d, alpn("h2", version=version)), "h2")
            d.wait_log("closed why=handshake ", count=4)


def test_listener_without_alpn():
    with daemon() as d:
        equal(chosen(d, alpn("h2", "http/1.1")), None)


def test_alpn_of_a_resumed_session():
    """It is chosen anew in each handshake."""
    for version in BOTH:
        with daemon(alpn=["a", "b"]) as d:
            context = alpn("a", version=version)
            p = tls_connect(d, context=context)
            p.write(b"x")
            p.receive(1)
            context.set_alpn_protocols(["b"])
            q = tls_connect(d, context=context, session=p.tls.session)
            check(q.tls.session_reused, "not resumed")
            equal(q.tls.selected_alpn_protocol(), "b")


main()

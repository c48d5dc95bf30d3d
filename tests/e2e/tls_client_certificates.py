"""Who gets in, by tls.verify and by what is wrong with a certificate."""

import os
import ssl

from sluice_test import Daemon, check, equal, main, test_plugin
from harness import certs
from harness.build import scratch
from harness.tls import (V12, V13, Peer, authority, client_context, keys,
                         leaf, made, tls_connect, tls_listener)

BOTH = V12, V13

# What is wrong: the alert for the client, and the reason for the plugin.
WRONG = {
    "wrong CA": ("unknown ca", "unable to get local issuer certificate"),
    "expired": ("certificate expired", "certificate has expired"),
    "early": ("bad certificate", "certificate is not yet valid"),
    "revoked": ("certificate revoked", "certificate revoked"),
    "self-signed": ("unknown ca", "self-signed certificate"),
    "absent": (None, "peer did not return a certificate"),
}


def members():
    """A client's certificate of each kind; the CA's CRL."""
    found = {
        "good": leaf("good", "clients"),
        "wrong CA": leaf("wrong", "strangers"),
        "expired": leaf("expired", "clients", start=-2 * certs.DAY,
                        end=-certs.DAY),
        "early": leaf("early", "clients", start=certs.DAY),
        "revoked": leaf("revoked", "clients"),
        "absent": None,
    }
    if "alone" not in made:
        made["alone"] = certs.make(scratch(), "alone")
    found["self-signed"] = made["alone"]
    crl = os.path.join(scratch(), "clients.crl")
    if not os.path.exists(crl):
        certs.crl(crl, authority("clients"), found["revoked"])
    return found, crl


def daemon(verify, crl=True):
    more = {"crl": members()[1]} if crl else {}
    return Daemon(tls_listener("c", test_plugin("command"), keys(
        verify=verify, ca=authority("clients").cert, **more)))


def visit(d, version, cert):
    """Connect and talk.  None, or the alert."""
    p = Peer(d.connect(), client_context(version, cert=cert))
    try:
        p.handshake()
        p.write(b"say in\n")
        equal(p.receive(3), b"in\n")
        p.close_notify()
        p.receive_all()
    except ssl.SSLError as error:
        return str(error)
    finally:
        p.sock.close()


def test_require():
    found, _ = members()
    for version in BOTH:
        with daemon("require") as d:
            equal(visit(d, version, found["good"]), None, "the good one")
            for kind, (alert, reason) in WRONG.items():
                since = d.mark()
                if alert is None:
                    alert = ("handshake failure" if version == V12
                             else "certificate required")
                got = visit(d, version, found[kind])
                check(got is not None and alert in got, kind, "got", got)
                text = d.wait_trace("handshake 7", since=since)[1]
                check(reason in text, kind, "told as", text)
                d.wait_log("closed why=handshake ", since)
            equal(visit(d, version, found["good"]), None, "the good one")
            equal(len(d.log_lines(r"trace \d+ open")), 2, "opened")


def test_optional_and_none():
    """Everybody gets in; what is known of them is the plugin's to judge."""
    found, _ = members()
    for verify in "optional", "none":
        for version in BOTH:
            with daemon(verify) as d:
                for kind, cert in found.items():
                    equal(visit(d, version, cert), None, kind)


def test_without_crl():
    found, _ = members()
    with daemon("require", crl=False) as d:
        equal(visit(d, V13, found["revoked"]), None)


def test_one_ca_has_no_crl():
    """The warning is true: its clients, which are good, are refused."""
    found, crl = members()
    with Daemon(tls_listener("c", test_plugin("command"), keys(
            verify="require", crl=crl,
            ca=[authority(name).cert for name in ("clients", "strangers")]
            ))) as d:
        d.wait_log(r"sluice\.conf:\d+: listener \"c\": tls\.crl: there is no "
                   "CRL of the CA CN=strangers: ")
        equal(visit(d, V13, found["good"]), None)
        check(visit(d, V13, found["wrong CA"]) is not None, "it got in")
        d.wait_log("closed why=handshake .*unable to get certificate CRL")


def test_a_name_that_requires_one():
    """The listener itself asks nobody; one name does, by its own CA."""
    found, _ = members()
    vault = keys(leaf("vault", names=["DNS:vault.test"]),
                 names=["vault.test"], verify="require",
                 ca=authority("clients").cert)
    with Daemon(tls_listener("c", test_plugin("command"),
                             keys(sni=[vault]))) as d:
        for version in BOTH:
            for cert, name, gets_in in ((None, "localhost", True),
                                        (None, "vault.test", False),
                                        (found["good"], "vault.test", True),
                                        (found["wrong CA"], "vault.test",
                                         False)):
                p = Peer(d.connect(), client_context(version, cert=cert),
                         name=name)
                try:
                    p.handshake()
                    p.write(b"say in\n")
                    p.receive(3)
                    check(gets_in, name, "let it in")
                except ssl.SSLError as error:
                    check(not gets_in, name, error)
                p.sock.close()


def huge(size):
    """A good certificate, and so many bytes of others behind it."""
    good, name = members()[0]["good"], "huge%d" % size
    with open(good.cert) as file:
        text = file.read()
    with open(authority("strangers").cert) as file:
        other = file.read()
    certificate = certs.Certificate(scratch(), name, authority("clients"))
    certificate.key = good.key
    with open(certificate.cert, "w") as file:
        file.write(text + other * (size // len(
            ssl.PEM_cert_to_DER_cert(other))))
    return certificate


def test_huge_chain():
    """Just under 100 KiB is bearable, more is refused by an alert."""
    for version in BOTH:
        with daemon("require") as d:
            equal(visit(d, version, huge(98 << 10)), None)
            got = visit(d, version, huge(110 << 10))
            check(got and "illegal parameter" in got, got)
            equal(visit(d, version, members()[0]["good"]), None)


main()

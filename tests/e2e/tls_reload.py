"""A reload of TLS: new handshakes get the new, live sessions keep the old."""

import os
import shutil
import ssl

from sluice_test import (Daemon, check, equal, listener, main, plugin,
                         receive)
from harness import certs
from harness.tls import (V12, V13, Peer, client_context, leaf, tls_connect,
                         tls_listener)


def install(d, certificate):
    """Let site.pem and site.key of the daemon be this certificate."""
    for path, name in (certificate.cert, "site.pem"), (certificate.key,
                                                       "site.key"):
        with open(path) as file:
            d.write(file.read(), name)


def daemon(**tls):
    d = Daemon(arguments=["-v"], start=False)
    site = {"cert": "site.pem", "key": "site.key", **tls}
    d.listeners = [tls_listener("echo", plugin("echo"), site)]
    d.write_config()
    install(d, leaf("first"))
    return d


def served(d):
    """The certificate that a new client gets, in DER."""
    p = tls_connect(d)
    p.close_notify()
    p.receive_all()
    p.sock.close()
    return p.tls.getpeercert(True)


def der(certificate):
    with open(certificate.cert) as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


def works(p):
    p.write(b"alive")
    equal(p.receive(5), b"alive")


def test_new_certificate():
    with daemon() as d:
        d.start()
        equal(served(d), der(leaf("first")))
        live = [tls_connect(d, context=client_context(v))
                for v in (V12, V13)]
        install(d, leaf("second", kind="rsa"))
        equal(d.reload_ready(), 2)
        d.wait_log("info  master: echo: tls has other certificates or CAs$")
        equal(served(d), der(leaf("second")))
        for p in live:
            works(p)
            equal(p.tls.getpeercert(True), der(leaf("first")))
            p.close_notify()
            equal(p.receive_all(), b"")


def test_same_files_again():
    with daemon() as d:
        d.start()
        p = tls_connect(d)
        for generation in 2, 3:
            equal(d.reload_ready(), generation)
            works(p)
            equal(served(d), der(leaf("first")))
        check(not d.log_lines("other certificates"), "nothing has changed")
        check(not d.log_lines("unloaded|no longer used"),
              "the plugin was loaded anew")


def refused(change, *words):
    """After this change to the files, the reload is refused with words."""
    with daemon() as d:
        d.start()
        live = tls_connect(d)
        change(d)
        text = d.reload_refused()
        for word in ('listener "echo"',) + words:
            check(word in text, "no", word, "in", text)
        check("PRIVATE" not in text, "a key is shown")
        works(live)
        equal(served(d), der(leaf("first")))
        install(d, leaf("second"))
        equal(d.reload_ready(), 2)
        equal(served(d), der(leaf("second")))


def test_key_of_another_certificate():
    def change(d):
        shutil.copy(leaf("second").key, d.path("site.key"))

    refused(change, "/site.key:", "does not belong")


def test_status_says_until_when_certificates_are_good():
    short = leaf("short", end=5 * certs.DAY + 3600)
    other = leaf("other", end=60 * certs.DAY + 3600)
    d = Daemon(start=False, control="control.sock")
    d.listeners = [
        tls_listener("echo", plugin("echo"), {
            "cert": other.cert, "key": other.key,
            "sni": [{"names": ["short.test"], "cert": short.cert,
                     "key": short.key}]}),
        listener("plain", plugin("echo"))]
    d.write_config()
    with d:
        d.start()
        listeners = d.ask("status")["listeners"]
        equal([(one["group"], one["names"], one["days"])
               for one in listeners[0]["certificates"]],
              [("tls", [], 60), ("tls", ["short.test"], 5)])
        equal(listeners[1]["certificates"], [])
        text = d.sluicectl("status").stdout
        check("echo: the certificate for short.test ends on " in text and
              ", in 5 days\n" in text, text)
        equal(text.count("the certificate"), 1)
        text = d.sluicectl("metrics").stdout
        for one in listeners[0]["certificates"]:
            check('sluice_certificate_end_timestamp_seconds{listener="echo",'
                  'plugin="echo",group="tls",name="%s"} %d\n'
                  % ("".join(one["names"]), one["ends_s"]) in text, text)


def test_expired():
    def change(d):
        install(d, leaf("expired", start=-2 * certs.DAY, end=-certs.DAY))

    refused(change, "/site.pem:", "expired")


def test_not_yet_valid():
    def change(d):
        install(d, leaf("early", start=certs.DAY))

    refused(change, "/site.pem:", "not valid before")


def test_encrypted_key():
    def change(d):
        install(d, leaf("locked", passphrase="open sesame"))

    refused(change, "/site.key:", "encrypted")


def test_missing_file():
    def change(d):
        os.unlink(d.path("site.key"))

    refused(change, "/site.key:", "No such file")


def test_half_a_file():
    def change(d):
        with open(leaf("second").cert) as file:
            d.write(file.read()[:300], "site.pem")

    refused(change, "/site.pem:")


def test_passphrase_file():
    with daemon() as d:
        d.start()
        locked = leaf("locked", passphrase="open sesame")
        install(d, locked)
        d.write("open sesame\n", "pass")
        d.listener("echo")["tls"]["passphrase_file"] = "pass"
        d.write_config()
        equal(d.reload_ready(), 2)
        equal(served(d), der(locked))
        check("sesame" not in "\n".join(d.log_lines()), "it is in the log")


def test_on_and_off():
    with daemon() as d:
        tls = d.listener("echo").pop("tls")
        d.write_config()
        d.start()
        plain = d.connect()
        plain.sendall(b"1")
        equal(receive(plain, 1), b"1")

        d.listener("echo")["tls"] = tls
        d.write_config()
        equal(d.reload_ready(), 2)
        secret = tls_connect(d)
        works(secret)
        plain.sendall(b"2")
        equal(receive(plain, 1), b"2")

        del d.listener("echo")["tls"]
        d.write_config()
        equal(d.reload_ready(), 3)
        works(secret)
        again = d.connect()
        for s in plain, again:
            s.sendall(b"3")
            equal(receive(s, 1), b"3")


def stopped_at(d, version):
    """Clients that have stopped at each step of their handshakes."""
    found = []
    for step in "nothing", "one byte", "hello", "server's flight":
        p = Peer(d.connect(), client_context(version))
        hello = p.hello()
        if step == "one byte":
            p.sock.sendall(hello[:1])
        elif step != "nothing":
            p.sock.sendall(hello)
        found.append((p, hello[1:] if step == "one byte" else
                      hello if step == "nothing" else b""))
        if step == "server's flight":
            p.fill()
    return found


def go_on(waiting, newest):
    """Who has said nothing by now gets what is the newest now."""
    for i, (p, rest) in enumerate(waiting):
        if rest:
            p.sock.sendall(rest)
        p.handshake()
        equal(p.tls.getpeercert(True),
              der(leaf(newest if i == 0 else "first")))
        works(p)
        p.close_notify()
        equal(p.receive_all(), b"")


def test_reload_in_every_state_of_a_handshake():
    for version in V12, V13:
        for off in False, True:
            with daemon() as d:
                d.start()
                waiting = stopped_at(d, version)
                d.wait_log("phase: new -> handshake", count=4)
                install(d, leaf("second"))
                if off:
                    del d.listener("echo")["tls"]
                    d.write_config()
                equal(d.reload_ready(), 2)
                go_on(waiting, "first" if off else "second")


def test_listener_removed_during_handshakes():
    """They may be finished: the listener takes no new ones, that is all."""
    with daemon() as d:
        d.start()
        waiting = stopped_at(d, V13)
        d.wait_log("phase: new -> handshake", count=4)
        d.listeners = [listener("other", plugin("echo"))]
        d.write_config()
        equal(d.reload_ready(), 2)
        go_on(waiting, "first")


main()

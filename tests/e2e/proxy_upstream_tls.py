"""proxy: upstream_tls, with certificates that are good and not."""

import re
import socket
import ssl
import threading

from sluice_test import (SANITIZED, Daemon, check, equal, expect_gone, listener, main,
                         plugin, receive, receive_all, receive_line)
from harness.tls import (authority, client_context, exchange_in_turn, leaf,
                         tls_listener)
from harness.upstream import Upstream, nobody

MUCH = (8 if SANITIZED else 64) << 20


class TlsUpstream(Upstream):
    """Names that it was asked for are in `names`."""

    def __init__(self, cert=None):
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert = cert or leaf()
        self.context.load_cert_chain(cert.cert, cert.key)
        self.names = []
        self.context.sni_callback = lambda _, name, __: self.names.append(
            name)

    def accept(self, plain=None):
        s = plain or super().accept()
        return self.context.wrap_socket(s, server_side=True,
                                        suppress_ragged_eofs=False)


def proxy(*upstreams, make=listener, connect_tls=None, **options):
    return Daemon(make("p", plugin("proxy"), connect_tls=connect_tls or {
        "ca": authority().cert}, options=dict(
            {"upstreams": [getattr(u, "address", u) for u in upstreams],
             "upstream_tls": True}, **options)))


def end(d, *sockets):
    for s in sockets:
        s.close()
    d.wait_log("proxied ")


def test_bytes_and_ends():
    with TlsUpstream() as u, proxy(u) as d:
        client = d.connect()
        server = u.accept()
        exchange_in_turn(client, server, MUCH)
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        equal(receive_all(server), b"last")     # and close_notify
        server.sendall(b"answer")
        equal(receive(client, 6), b"answer")
        end(d, server, client)


def test_tls_on_both_sides():
    with TlsUpstream() as u, proxy(u, make=tls_listener) as d:
        plain = d.connect()
        got = []
        thread = threading.Thread(target=lambda: got.append(u.accept()))
        thread.start()
        client = client_context().wrap_socket(plain,
                                              server_hostname="localhost")
        thread.join()
        exchange_in_turn(client, got[0], MUCH)
        end(d, client, got[0])


def refuses(u):
    """The handshake fails, on this side by an alert."""
    try:
        u.accept()
    except (ssl.SSLError, OSError):
        return
    check(False, "the certificate was taken")


def test_bad_certificates_are_as_good_as_a_refusal():
    other = leaf("other", issuer="another")
    wrong = leaf("wrong", names=("DNS:example.org",))
    with TlsUpstream(other) as first, TlsUpstream(wrong) as second, \
            TlsUpstream() as u, proxy(first, second, u) as d:
        client = d.connect()
        client.sendall(b"kept until then")
        refuses(first)
        refuses(second)
        server = u.accept()
        equal(receive(server, 15), b"kept until then")
        end(d, client, server)
        check(d.log_lines("proxied .* tries=3"))


def test_no_good_certificate_at_all():
    other = leaf("other", issuer="another")
    with TlsUpstream(other) as u, proxy(u) as d:
        client = d.connect()
        refuses(u)
        expect_gone(client)
        d.wait_log("no upstream: all have failed; tried: 1, the last: "
                   ".*certificate")


def test_verify_is_off():
    other = leaf("other", issuer="another")
    with TlsUpstream(other) as u, proxy(u, upstream_verify=False) as d:
        client, server = d.connect(), u.accept()
        client.sendall(b"trusting")
        equal(receive(server, 8), b"trusting")
        end(d, client, server)


def test_names():
    wrong = leaf("wrong", names=("DNS:example.org",))
    with TlsUpstream(wrong) as u:
        for options, asked in (
                ({"upstream_servername": "example.org"}, "example.org"),
                ({"upstream_verify_name": "example.org"}, None),
                ({"upstream_servername": "other.org",
                  "upstream_verify_name": "example.org"}, "other.org")):
            with proxy(u, **options) as d:
                client, server = d.connect(), u.accept()
                client.sendall(b"x")
                equal(receive(server, 1), b"x")
                equal(u.names.pop(), asked)
                end(d, client, server)


def test_a_header_comes_before_tls():
    for version in "v1", "v2":
        with TlsUpstream() as u, proxy(u, send_proxy=version) as d:
            client = d.connect()
            client.sendall(b"early")
            plain = u.sock.accept()[0]
            plain.settimeout(10)
            if version == "v1":
                equal(receive_line(plain), "PROXY TCP4 127.0.0.1 127.0.0.1 "
                      "%d %d\r" % (client.getsockname()[1], d.port("p")))
            else:
                receive(plain, 28)
            server = u.accept(plain)
            equal(receive(server, 5), b"early")
            exchange_in_turn(client, server, MUCH)
            end(d, client, server)


def test_upstreams_that_do_not_speak_it():
    for more in {}, {"send_proxy": "v1"}:
        with Upstream() as text, Upstream() as closes, TlsUpstream() as u, \
                proxy(text, closes, nobody(), u, retries=3, **more) as d:
            client = d.connect()
            s = text.accept()
            s.sendall(b"220 mail.example.org at your service\r\n")
            closes.accept().close()
            if more:
                plain = u.sock.accept()[0]
                plain.settimeout(10)
                receive_line(plain)
                server = u.accept(plain)
            else:
                server = u.accept()
            client.sendall(b"hello")
            equal(receive(server, 5), b"hello")
            s.close()
            end(d, client, server)
            check(d.log_lines("proxied .* tries=4"))


def test_a_client_that_leaves_during_the_handshake():
    for more in {}, {"send_proxy": "v1"}:
        with Upstream() as u, proxy(u, **more) as d:
            client = d.connect()
            server = u.accept()
            server.recv(10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              b"\1\0\0\0\0\0\0\0")
            client.close()
            expect_gone(server)
            server.close()
            d.wait_log("proxied .* connect_ms=- .* by=client")


def test_mistakes():
    with proxy(nobody()) as d:
        for tls, name, value, said in (
                (False, "servername", "a", "means nothing without upstream_"),
                (False, "verify_name", "a", "means nothing without upstream"),
                (False, "verify", False, "means nothing without upstream_tls"),
                (True, "servername", "10.0.0.1", "not the name of a host"),
                (True, "servername", "*.a", "not the name of a host"),
                (True, "verify_name", "", "neither the name of a host nor"),
                (True, "verify_name", "a b", "neither the name of a host nor"),
                (True, "verify_name", "a:1", "neither the name of a host n")):
            d.listener("p")["options"] = {
                "upstreams": ["127.0.0.1:1"], "upstream_tls": tls,
                "upstream_" + name: value}
            d.write_config()
            out = d.reload_refused()
            check("upstream_%s: " % name in out and said in out, out)
        d.listener("p")["options"] = {
            "upstreams": ["127.0.0.1:1"], "upstream_tls": True,
            "upstream_servername": "", "upstream_verify_name": "::1"}
        d.write_config()
        d.reload_ready()


main()

"""TLS connections that a plugin makes: real servers, real mistakes."""

import socket
import ssl
import threading

from sluice_test import (DEADLINE, Daemon, check, compile_plugin, equal,
                         free_address, listener, main, need, pattern, plugin,
                         receive, receive_all, test_plugin)
from harness import certs
from harness.build import scratch
from harness.program import Program
from harness.tls import V12, V13, Peer, authority, leaf, tls_listener
from harness.upstream import Upstream


def connector(path=None, tls=None, **settings):
    group = {"ca": authority().cert, **(tls or {})}
    return listener("c", path or test_plugin("connector"), connect_tls=group,
                    **settings)


def server_context(certificate=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = certificate or leaf()
    context.load_cert_chain(certificate.cert, certificate.key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class Server:
    """A TLS server by Python's ssl, whose clients are threads that echo."""

    def __init__(self, certificate=None, version=None, ca=None, alpn=()):
        self.context = server_context(certificate, version)
        if ca is not None:
            self.context.load_verify_locations(ca.cert)
            self.context.verify_mode = ssl.CERT_REQUIRED
        if alpn:
            self.context.set_alpn_protocols(alpn)
        self.names = []
        self.clients = []       # what they have shown
        self.context.sni_callback = lambda s, name, c: self.names.append(name)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,),
                             daemon=True).start()

    def serve(self, s):
        s.settimeout(DEADLINE)
        try:
            with self.context.wrap_socket(s, server_side=True) as t:
                self.clients.append(t.getpeercert())
                data = t.recv(1 << 16)
                while data:
                    t.sendall(data)
                    data = t.recv(1 << 16)
        except OSError:
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def ask_for(d, port, *words, host="localhost"):
    s = d.connect()
    s.sendall(" ".join([host, str(port), "tls", *words]).encode() + b"\n")
    return s


def works(s):
    s.sendall(b"alive")
    equal(receive(s, 5), b"alive")


def fails(d, port, reason, *words, host="localhost"):
    """The connection is refused for this reason, at the stage of TLS."""
    mark = d.mark()
    s = ask_for(d, port, *words, host=host)
    equal(receive_all(s), b"")
    d.wait_log("trace [0-9]+ connect_error .*%s.* stage=3" % reason,
               since=mark)
    d.wait_log("closed why=handshake", since=mark)


def test_both_versions_and_the_facts():
    for version, name in (V12, "TLSv1.2"), (V13, "TLSv1.3"):
        with Server(version=version, alpn=["one"]) as server, Daemon(
                connector(tls={"alpn": ["two", "one"]})) as d:
            works(ask_for(d, server.port))
            d.wait_trace("handshake %s name=localhost alpn=one authorized=1 "
                         "peer=CN=leaf v1" % name, 2)
            equal(server.names, ["localhost"])


def test_the_certificate_is_verified():
    with Server() as server, Server(leaf("stranger", issuer="other")) as \
            stranger, Server(leaf("old", start=-9 * 86400,
                                 end=-86400)) as old, \
            Daemon(connector(), control="control.sock") as d:
        works(ask_for(d, server.port, host="127.0.0.1"))
        fails(d, server.port, "not valid for example.org", "example.org")
        fails(d, server.port, "not valid for 127.0.0.2", "127.0.0.2")
        fails(d, stranger.port, "unable to get local issuer certificate")
        fails(d, old.port, "certificate has expired")
        handshakes = d.ask("status")["listeners"][0]["counts"]["handshakes"]
        equal((handshakes["full"], handshakes["certificate"]), (1, 4))


def test_a_plain_server_and_one_that_goes_away():
    with Daemon(connector()) as d, socket.create_server(
            ("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        port = server.getsockname()[1]
        s = ask_for(d, port)
        peer, _ = server.accept()
        peer.sendall(b"220 hello, I speak no TLS\r\n")
        equal(receive_all(s), b"")
        d.wait_log("connect_error .*wrong version number.* stage=3")
        peer.close()
        mark = d.mark()
        s = ask_for(d, port)
        peer, _ = server.accept()
        peer.recv(1)
        peer.close()
        equal(receive_all(s), b"")
        d.wait_log("connect_error .* stage=3", since=mark)


def test_our_certificate_is_shown():
    clients = authority("clients")
    ours = certs.make(scratch(), "ours", clients)
    with Server(ca=clients) as server:
        with Daemon(connector(tls={"cert": ours.cert,
                                   "key": ours.key})) as d:
            works(ask_for(d, server.port))
            equal(server.clients[0]["subject"],
                  ((("commonName", "ours"),),))
        with Daemon(connector()) as d:
            # With TLS 1.3 it is told when we are open already.
            s = ask_for(d, server.port)
            equal(receive_all(s), b"")
            d.wait_log('why=tls .*alert .*certificate required')


def test_a_reload_changes_whom_we_trust():
    second = leaf("second", issuer="second-ca")
    with Server() as before, Server(second) as after, \
            Daemon(connector()) as d:
        live = ask_for(d, before.port)
        works(live)
        fails(d, after.port, "unable to get local issuer")
        d.listeners = [connector(tls={"ca": authority("second-ca").cert})]
        d.write_config()
        d.reload()
        works(ask_for(d, after.port))
        fails(d, before.port, "unable to get local issuer")
        works(live)
        d.listeners = [connector(tls={"ca": "none.pem"})]
        d.write_config()
        check("connect_tls.ca" in d.reload_refused(), "the reason")
        works(ask_for(d, after.port))


def test_new_code_serves_a_connection_made_by_old():
    with Server() as server, Daemon(connector()) as d:
        s = ask_for(d, server.port)
        works(s)
        d.listeners = [connector(compile_plugin(
            "connector", d.path("v2.so"), VERSION="v2"))]
        d.write_config()
        d.reload()
        works(s)
        s.close()
        d.wait_trace("close .* v2", 2)


class Halfway:
    """A handshake that stops: of our flight only half is sent.

    finish() sends the rest.
    """

    def __init__(self, d, server, version):
        self.client = ask_for(d, server.address.rpartition(":")[2])
        self.peer = Peer(server.accept(), server_context(version=version),
                         server=True)
        self.peer.fill()
        flight = self.peer.hello()
        check(len(flight) > 500, "no certificate in", flight)
        self.rest = flight[len(flight) // 2:]
        self.peer.sock.sendall(flight[:len(flight) // 2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.peer.sock.close()

    def finish(self):
        self.peer.sock.sendall(self.rest)
        self.peer.handshake()
        self.client.sendall(b"alive")
        equal(self.peer.receive(5), b"alive")
        self.peer.write(b"too")
        equal(receive(self.client, 3), b"too")


def v2(d, tls=None, **settings):
    """The same listener with new code, and with other CAs."""
    d.listeners = [connector(
        compile_plugin("connector", d.path("v2.so"), VERSION="v2"),
        tls=tls or {"ca": authority("second-ca").cert}, **settings)]
    d.write_config()


def test_a_reload_in_the_middle_of_a_handshake():
    """It goes on by the rules that it began with, and opens in new code."""
    for version in V12, V13:
        with Upstream() as server, Server() as other, \
                Daemon(connector()) as d, Halfway(d, server, version) as one:
            v2(d)
            d.reload_ready()
            equal(d.messages("handshake TLS|open out|connect_error"), [])
            one.finish()
            d.wait_trace("handshake .* authorized=1 .* v2")
            d.wait_trace("open out v2")
            fails(d, other.port, "unable to get local issuer")


def test_a_handshake_fails_after_a_reload():
    """The new code is told, once."""
    for version in V12, V13:
        with Upstream() as server, Daemon(connector()) as d, \
                Halfway(d, server, version) as one:
            v2(d)
            d.reload_ready()
            one.peer.sock.close()
            equal(receive_all(one.client), b"")
            d.wait_trace("connect_error .* stage=3 v2")
            equal(len(d.messages("trace .* connect_error")), 1)


def test_a_handshake_stays_or_ends_as_on_reload_says():
    for version in V12, V13:
        with Upstream() as server, Daemon(connector()) as d, \
                Halfway(d, server, version) as one:
            v2(d, on_reload="drain")
            d.reload_ready()
            one.finish()
            d.wait_trace("open out v1")
        with Upstream() as server, Daemon(connector()) as d, \
                Halfway(d, server, version) as one:
            v2(d, on_reload="close")
            d.reload_ready()
            equal(receive_all(one.client), b"")
            equal(receive_all(one.peer.sock), b"")


def test_a_refused_reload_in_the_middle_of_a_handshake():
    for version in V12, V13:
        with Upstream() as server, Daemon(connector()) as d, \
                Halfway(d, server, version) as one:
            v2(d, options={"fail": True})
            d.reload_refused()
            one.finish()
            d.wait_trace("open out v1")


def test_every_byte_arrives_both_ways():
    data = pattern(16 << 20)
    with Daemon(connector(), tls_listener("echo", plugin("echo"))) as d:
        s = ask_for(d, d.port("echo"))
        got = bytearray()

        def read():
            while len(got) < len(data):
                part = s.recv(1 << 16)
                if not part:
                    return
                got.extend(part)
        reader = threading.Thread(target=read)
        reader.start()
        s.sendall(data)
        reader.join(DEADLINE)
        check(bytes(got) == data, "%d of %d bytes" % (len(got), len(data)))
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), b"")


class OtherServer(Program):
    """A server of another library, on a port that `command` names."""

    def __init__(self, ready, command):
        super().__init__()
        need(command[0])
        self.spawn(command)
        self.wait_log(ready)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def answers(d, port, answer):
    s = ask_for(d, port)
    s.sendall(b"alive\n")
    equal(receive(s, 6), answer)


def test_openssl_and_gnutls():
    address, other = free_address(), free_address().rpartition(":")[2]
    with Daemon(connector()) as d:
        with OtherServer("ACCEPT", ["openssl", "s_server", "-rev",
                                    "-accept", address, "-cert",
                                    leaf().cert, "-key", leaf().key]):
            answers(d, address.rpartition(":")[2], b"evila\n")
        with OtherServer("listening", ["gnutls-serv", "--echo", "--port",
                                       other, "--x509certfile",
                                       leaf().cert, "--x509keyfile",
                                       leaf().key]):
            answers(d, other, b"alive\n")


def test_a_name_that_is_none_is_said():
    with Daemon(connector()) as d:
        equal(receive_all(ask_for(d, 1, "*x.org")), b"cannot\n")
        d.wait_log('c: the plugin asks for TLS: sl_tls_options: verify_name '
                   '"[*]x.org" is neither the name of a host nor an address$')


main()

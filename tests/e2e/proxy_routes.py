"""proxy: where a client goes, by the name or the protocol that it asks for."""

import random
import re
import ssl
import struct
import threading

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         plugin, receive, receive_all)
from harness.tls import Peer, client_context, keys, tls_listener
from harness.upstream import Upstream

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy(options, make=listener, **more):
    return Daemon(make("p", plugin("proxy"), options=options, **more))


def block(size, data):
    return len(data).to_bytes(size, "big") + data


def server_name(name, kind=0):
    return extension(0, block(2, bytes([kind]) + block(2, name)))


def extension(kind, data):
    return struct.pack(">H", kind) + block(2, data)


def message(extensions=b"", session=b"", ciphers=b"\x13\x01",
            compressions=b"\0", kind=1, more=b""):
    body = (b"\x03\x03" + bytes(32) + block(1, session) + block(2, ciphers)
            + block(1, compressions))
    if extensions is not None:
        body += block(2, extensions)
    return bytes([kind]) + block(3, body + more)


def records(data, size=16384, kind=22):
    return b"".join(bytes([kind, 3, 1]) + block(2, data[i:i + size])
                    for i in range(0, len(data), size))


def arrives(d, u, hello, pieces=None):
    """The upstream gets exactly this, and what follows it."""
    s = d.connect()
    for piece in pieces or [hello]:
        s.sendall(piece)
    server = u.accept()
    equal(receive(server, len(hello)), hello)
    s.sendall(b"and more")
    equal(receive(server, 8), b"and more")
    server.sendall(b"answer")
    equal(receive(s, 6), b"answer")
    s.close()
    server.close()


def refused(d, hello, why, end=False):
    s = d.connect()
    since = d.mark()
    try:
        s.sendall(hello)
        if end:
            s.shutdown(1)
    except OSError:
        pass
    expect_gone(s)
    s.close()
    d.wait_log("not passed on: " + why, since)


def test_names():
    with Upstream() as a, Upstream() as b, Upstream() as c, \
            Upstream() as rest:
        routes = ["example.org " + a.address, "*.Example.org " + b.address,
                  "*.deep.example.org " + c.address]
        with proxy({"upstreams": [rest.address],
                    "sni_routes": routes}) as d:
            for name, u in ((b"example.org", a), (b"EXAMPLE.ORG.", a),
                            (b"www.example.org", b), (b"a.b.example.org", b),
                            (b"x.deep.example.org", c),
                            (b"deep.example.org", b), (b"example.com", rest),
                            (b"org", rest), (b"xexample.org", rest),
                            (b"a" * 255, rest)):
                arrives(d, u, records(message(server_name(name))))
            for hello in (message(), message(None),
                          message(extension(16, b"\0\3\2h2"))):
                arrives(d, rest, records(hello))


def test_pieces():
    with Upstream() as u, proxy(
            {"sni_routes": ["example.org " + u.address]}) as d:
        hello = message(extension(21, bytes(700)) +
                        server_name(b"example.org"))
        for size in 16384, 100, 1:
            data = records(hello, size)
            arrives(d, u, data)
            arrives(d, u, data, [data[i:i + 1] for i in range(len(data))])
        # As large as may be.
        fill = 16384 - len(message(extension(21, b"")
                                   + server_name(b"example.org")))
        whole = message(extension(21, bytes(fill)) +
                        server_name(b"example.org"))
        equal(len(whole), 16384)
        arrives(d, u, records(whole, 4096))
        # Data behind it, in a record of its own.
        arrives(d, u, records(hello) + records(b"early", kind=23))


def test_bad_ones():
    sni = server_name(b"example.org")
    with Upstream() as u, proxy({"upstreams": [u.address],
                                 "sni_routes": ["x " + u.address]}) as d:
        for hello, why in (
                (b"GET / HTTP/1.0\r\n\r\n", "it does not begin with TLS"),
                (b"\x16\x02", "it does not begin with TLS"),
                (b"\x16\x03\x01\0\0", "a record has a length"),
                (b"\x16\x03\x01\x40\x01", "a record has a length"),
                (records(message(kind=2)), "its first message is no Client"),
                (records(message(extension(21, bytes(16384)))),
                 "its ClientHello is larger than 16 KiB"),
                (records(b"\1\xff\xff\xff"), "its ClientHello is larger"),
                (records(message(extension(21, bytes(6000))), 1),
                 "its ClientHello is in too many records"),
                (records(message() + b"x"), "something follows"),
                (records(message(session=bytes(33))), "its ClientHello is ma"),
                (records(message(ciphers=b"")), "its ClientHello is malform"),
                (records(message(ciphers=b"abc")), "its ClientHello is malf"),
                (records(message(compressions=b"")), "its ClientHello is mal"),
                (records(message(more=b"x")), "its ClientHello is malformed"),
                (records(message(None, more=b"x")), "its ClientHello is malf"),
                (records(message(None, more=b"\0\1\0")), "its extensions are"),
                (records(message(extension(21, b"")[:-1] + b"\1")),
                 "its extensions are malformed"),
                (records(message(sni + sni)), "it has two server_name"),
                (records(message(extension(0, b""))), "its server_name is"),
                (records(message(server_name(b"a", 1))), "its server_name is"),
                (records(message(extension(0, block(2, 2 * (
                    b"\0" + block(2, b"a")))))), "its server_name is"),
                (records(message(server_name(b""))), "the name .* is empty"),
                (records(message(server_name(b"."))), "the name .* is empty"),
                (records(message(server_name(b"a" * 256))), "the name .* too"),
                (records(message(server_name(b"a\0b"))), "the name .* none o"),
                (records(message(server_name(b"a/b"))), "the name .* none o"),
                (records(message(server_name(b"a..b"))), "the name .* none "),
                (records(message(server_name(b"a.."))), "the name .* none o"),
                (records(message(server_name(b".a"))), "the name .* none o")):
            refused(d, hello, why)
        data = records(message(sni))
        for count in (0, 1, 5, 9, len(data) - 1):
            refused(d, data[:count], "it has ended within", end=True)
        # Known before all of the record is there.
        refused(d, records(message() + bytes(9))[:-9], "something follows")
        # Records of other kinds in between.
        refused(d, records(message(sni)[:20]) + records(b"x", kind=20),
                "it does not begin with TLS")


def test_noise():
    """Whatever is changed in a hello, it is passed on whole or refused."""
    random.seed(7)
    data = records(message(extension(21, bytes(20))
                           + server_name(b"example.org")), 64)
    lengths = []

    def serve(u):
        try:
            while True:
                with u.accept() as server:
                    lengths.append(len(receive_all(server)))
        except OSError:
            pass                # the end

    with Upstream() as u, proxy({"upstreams": [u.address], "sni_routes": [
            "example.org " + u.address]}) as d:
        thread = threading.Thread(target=serve, args=(u,))
        thread.start()
        for _ in range(300):
            hello = bytearray(data)
            for _ in range(random.randint(1, 3)):
                hello[random.randrange(len(hello))] = random.randrange(256)
            s = d.connect()
            s.sendall(hello)
            s.close()
        d.wait_log("not passed on: |proxied ", count=300)
        u.sock.shutdown(2)
        thread.join()
        passed = len(d.log_lines("proxied "))
        check(0 < passed < 300, passed, "of 300 were passed on")
        equal(lengths, [len(data)] * passed)


def test_late_and_missing():
    with Upstream() as u, proxy({"upstreams": [u.address], "sni_routes": [
            "x " + u.address], "hello_timeout": "100ms"}) as d:
        silent, slow = d.connect(), d.connect()
        slow.sendall(records(message())[:20])
        expect_gone(silent)
        expect_gone(slow)
        d.wait_log("not passed on: its ClientHello is not complete in time",
                   count=2)


def test_without_a_default():
    with Upstream() as u, proxy(
            {"sni_routes": ["example.org " + u.address]}) as d:
        s = d.connect()
        s.sendall(records(message(server_name(b"example.com"))))
        expect_gone(s)
        d.wait_log('no upstream: no route is for "example.com", and only '
                   'routes have any$')
        s = d.connect()
        s.sendall(records(message()))
        expect_gone(s)
        d.wait_log("no upstream: it asks for no name, and only routes have "
                   "any$")


def test_real_tls_passes_through():
    """The handshake is with the upstream, which is a listener here."""
    with Daemon(tls_listener("echo", plugin("echo")), listener(
            "p", plugin("proxy"), options={"upstreams": ["127.0.0.1:1"]}),
            workers=1) as d:
        d.listener("p")["options"] = {
            "sni_routes": ["localhost " + d.addresses("echo")[0]]}
        d.write_config()
        d.reload_ready()
        for step in None, 1:
            p = Peer(d.connect("p"))
            hello = p.hello()
            for i in range(0, len(hello), step or len(hello)):
                p.sock.sendall(hello[i:i + (step or len(hello))])
            p.handshake()
            p.write(b"through and through")
            got = b""
            while len(got) < 19:
                got += p.receive(19 - len(got))
            equal(got, b"through and through")
            p.sock.close()
        d.wait_log("proxied ", count=2)


def test_the_name_is_told():
    with Upstream() as u, proxy({"sni_routes": ["a.org " + u.address],
                                 "send_proxy": "v2"}) as d:
        s = d.connect()
        s.sendall(records(message(server_name(b"A.org"))))
        server = u.accept()
        got = receive(server, 16 + 12 + 8)
        equal(got[:16], SIGNATURE + b"\x21\x11\0\x14")
        equal(got[28:], b"\2\0\5a.org")
        s.close()
        server.close()
        d.wait_log("proxied ")


def handshake(d, name, protocols):
    context = client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context.wrap_socket(d.connect(), server_hostname=name)


def test_when_tls_ends_here():
    with Upstream() as a, Upstream() as h2, Upstream() as rest, proxy(
            {"upstreams": [rest.address], "sni_routes": [
                "a.org " + a.address], "alpn_routes": ["h2 " + h2.address]},
            tls_listener, tls=keys(alpn=["h2", "http/1.1"])) as d:
        for name, protocols, u in (
                ("a.org", ["h2"], a), ("b.org", ["h2"], h2),
                ("b.org", ["http/1.1"], rest), ("b.org", None, rest)):
            s = handshake(d, name, protocols)
            server = u.accept()
            s.sendall(b"plain")
            equal(receive(server, 5), b"plain")
            s.close()
            server.close()
        d.wait_log("proxied ", count=4)


def test_a_reload_changes_them():
    with Upstream() as old, Upstream() as new, proxy(
            {"sni_routes": ["a.org " + old.address]}) as d:
        hello = records(message(server_name(b"a.org")))
        waiting = d.connect()
        waiting.sendall(hello[:20])
        arrives(d, old, hello)
        d.listener("p")["options"]["sni_routes"] = [
            "a.org %s weight=2, unix:/nowhere" % new.address]
        d.write_config()
        d.reload_ready()
        arrives(d, new, hello)
        waiting.sendall(hello[20:])
        server = new.accept()
        equal(receive(server, len(hello)), hello)
        waiting.close()
        server.close()


def test_mistakes():
    with proxy({"upstreams": ["127.0.0.1:1"]}) as d:
        for name, value, said in (
                ("sni_routes", ["example.org"], "not a name, a blank and up"),
                ("sni_routes", [""], "not a name, a blank and upstreams"),
                ("sni_routes", ["a b"], "has no port"),
                ("sni_routes", ["a b:1,"], "an address is empty"),
                ("sni_routes", ["a b:1, b:1"], "is there twice"),
                ("sni_routes", ["a b:1", "A c:1"], '"a" is there twice'),
                ("sni_routes", ["*a b:1"], "neither the name of a host"),
                ("sni_routes", ["*. b:1"], "neither the name of a host"),
                ("alpn_routes", ["h2"], "not a name, a blank and upstreams"),
                ("hello_timeout", 0, "longer than 0")):
            d.listener("p")["options"] = {"upstreams": ["127.0.0.1:1"],
                                          name: value}
            d.write_config()
            out = d.reload_refused()
            check(re.search(said, out) and "sluice.conf:" in out, out)


main()

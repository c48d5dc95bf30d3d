"""proxy: send_proxy tells upstreams who the client is."""

import os
import socket
import struct

from sluice_test import (Daemon, check, equal, free_address, listener, main,
                         need, plugin, receive, receive_all, receive_line,
                         test_plugin, wait_until)
from harness.net import connect
from harness.program import Program
from harness.tls import client_context, keys, tls_listener
from harness.upstream import Upstream

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy(upstream, version, name="p", make=listener, **settings):
    return make(name, plugin("proxy"), options={
        "upstreams": [upstream], "send_proxy": version}, **settings)


def v1(client):
    return b"PROXY TCP4 %s %s %d %d\r\n" % (
        client.getsockname()[0].encode(), client.getpeername()[0].encode(),
        client.getsockname()[1], client.getpeername()[1])


def v2(client, more=b""):
    rest = (socket.inet_aton(client.getsockname()[0])
            + socket.inet_aton(client.getpeername()[0])
            + struct.pack(">HH", client.getsockname()[1],
                          client.getpeername()[1]) + more)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(rest)) + rest


MAKERS = {"v1": v1, "v2": v2}


def test_bytes():
    for version, make in MAKERS.items():
        with Upstream() as u, Daemon(proxy(u.address, version)) as d:
            # It need not wait for the client.
            client, server = d.connect(), u.accept()
            header = make(client)
            equal(receive(server, len(header)), header)
            client.sendall(b"data")
            equal(receive(server, 4), b"data")
            server.close()
            client.close()
            d.wait_log("proxied .* in=4 out=0")


def test_ipv6():
    with Upstream() as u, Daemon(proxy(u.address, "v1", listen="[::1]:0"),
                                 proxy(u.address, "v2", "q",
                                       listen="[::1]:0")) as d:
        client, server = d.connect("p"), u.accept()
        equal(receive_line(server), "PROXY TCP6 ::1 ::1 %d %d\r" % (
            client.getsockname()[1], d.port("p")))
        other, again = d.connect("q"), u.accept()
        one = socket.inet_pton(socket.AF_INET6, "::1")
        equal(receive(again, 16 + 36), SIGNATURE + b"\x21\x21\0\x24" + one
              + one + struct.pack(">HH", other.getsockname()[1],
                                  d.port("q")))
        for s in client, server, other, again:
            s.close()


def test_unix_clients():
    with Upstream() as u, Daemon(
            proxy(u.address, "v1", listen="unix:@out-1-%d" % os.getpid()),
            proxy(u.address, "v2", "q",
                  listen="unix:@out-2-%d" % os.getpid())) as d:
        client, server = d.connect("p"), u.accept()
        equal(receive_line(server), "PROXY UNKNOWN\r")
        other, again = d.connect("q"), u.accept()
        equal(receive(again, 16 + 216), SIGNATURE + b"\x21\x31\0\xd8"
              + bytes(108)
              + (b"\0out-2-%d" % os.getpid()).ljust(108, b"\0"))
        for s in client, server, other, again:
            s.close()


def facts(s):
    s.sendall(b"facts\n")
    line = b""
    while not line.endswith(b"\n"):
        line += s.recv(1)
    return dict(word.split("=", 1) for word in line.decode().split())


def test_a_chain_of_three():
    """The last one knows the client, and each hop has added nothing else."""
    last, middle = free_address(), free_address()
    trusts = {"proxy_protocol": {"from": ["127.0.0.1"]}}
    for first, second in ("v1", "v2"), ("v2", "v1"), ("v2", "v2"):
        with Daemon(proxy(middle, first, listen="127.0.0.1:0"),
                    proxy(last, second, "middle", listen=middle, **trusts),
                    listener("last", test_plugin("command"), listen=last,
                             **trusts)) as d:
            client = d.connect("p", source="127.0.0.9")
            found = facts(client)
            equal(found["remote"], "127.0.0.9:%d" % client.getsockname()[1])
            equal(found["local"], d.addresses("p")[0])
            client.close()
            d.wait_log("proxied ", count=2)


def test_tls_is_described():
    last = free_address()
    with Daemon(proxy(last, "v2", make=tls_listener,
                      tls=keys(alpn=["h2", "http/1.1"])),
                listener("last", test_plugin("command"), listen=last,
                         proxy_protocol={"from": ["127.0.0.1"]})) as d:
        context = client_context()
        context.set_alpn_protocols(["h2"])
        client = context.wrap_socket(d.connect("p"),
                                     server_hostname="localhost")
        for kind, wanted in (1, b"tlv 1 2 h2\n"), (2, b"tlv 2 9 localhost\n"):
            client.sendall(b"tlv %d\n" % kind)
            equal(client.recv(len(wanted)), wanted)
        client.sendall(b"tlv 32\n")
        got = client.recv(200)
        check(got.startswith(b"tlv 32 "), got)
        version, cipher = client.version().encode(), client.cipher()[0].encode()
        wanted = (b"\x01\0\0\0\x01\x21" + struct.pack(">H", len(version))
                  + version + b"\x23" + struct.pack(">H", len(cipher))
                  + cipher + b"\n")
        equal(got.split(b" ", 3)[3], wanted)
        client.close()
        d.wait_log("proxied ")


def test_what_a_proxy_before_knows_is_passed_on():
    def tlv(kind, value):
        return bytes([kind]) + struct.pack(">H", len(value)) + value

    rest = (bytes([192, 0, 2, 7]) + bytes([192, 0, 2, 1])
            + struct.pack(">HH", 4411, 443))
    known = (tlv(1, b"h2") + tlv(2, b"example.org") + tlv(5, b"id-1")
             + tlv(0x20, b"\1\0\0\0\0"))
    others = tlv(4, bytes(9)) + tlv(0xe0, b"mine") + tlv(1, b"second")
    with Upstream() as u, Daemon(proxy(
            u.address, "v2",
            proxy_protocol={"from": ["127.0.0.1"]})) as d:
        client = d.connect()
        whole = rest + known + others
        client.sendall(SIGNATURE + b"\x21\x11"
                       + struct.pack(">H", len(whole)) + whole + b"data")
        server = u.accept()
        wanted = (SIGNATURE + b"\x21\x11" + struct.pack(
            ">H", len(rest + known)) + rest + known + b"data")
        equal(receive(server, len(wanted)), wanted)
        client.close()
        server.close()
        d.wait_log(r"proxied 192\.0\.2\.7:4411 ")


def test_checks_have_no_client():
    for version, header in (("v1", b"PROXY UNKNOWN\r\n"),
                            ("v2", SIGNATURE + b"\x20\0\0\0")):
        one = proxy("127.0.0.1:1", version)
        with Upstream() as u:
            one["options"].update(upstreams=[u.address],
                                  check_interval="20ms")
            with Daemon(one) as d:
                for _ in range(2):
                    with u.accept() as server:
                        equal(receive_all(server), header)
                del one["options"]["check_interval"]
                d.write_config()
                d.reload_ready()


class Haproxy(Program):
    """Passes on from one address to another."""

    what = "haproxy"

    def __init__(self, directory, listen, upstream, word):
        super().__init__()
        path = os.path.join(directory, "haproxy.conf")
        with open(path, "w") as file:
            file.write("defaults\n mode tcp\n timeout connect 9s\n"
                       " timeout client 9s\n timeout server 9s\n"
                       "listen x\n bind %s\n server u %s %s\n"
                       % (listen, upstream, word))
        self.spawn([need("haproxy"), "-db", "-f", path])
        where = listen.split()[0]

        def listens():
            try:
                connect(where).close()
                return True
            except ConnectionRefusedError:
                return False

        wait_until(listens, "haproxy to listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def accept_from(u, header):
    """haproxy passes on our first look, too: skip that."""
    while True:
        server = u.accept()
        got = server.recv(len(header))
        if got == header:
            return server
        server.close()


def test_haproxy_sends_the_same():
    need("haproxy")
    for version, word in ("v1", "send-proxy"), ("v2", "send-proxy-v2"):
        with Upstream() as u, Daemon(proxy(u.address, version)) as d:
            where = free_address()
            with Haproxy(d.directory, where, u.address, word):
                for address in where, d.addresses("p")[0]:
                    s = connect(address)
                    accept_from(u, MAKERS[version](s)).close()
                    s.close()


def test_haproxy_understands_ours():
    need("haproxy")
    for version in MAKERS:
        where = free_address()
        with Upstream() as u, Daemon(proxy(where, version)) as d:
            with Haproxy(d.directory, where + " accept-proxy", u.address,
                         "send-proxy"):
                client = d.connect()
                client.sendall(b"x")
                server = accept_from(u, v1(client))
                server.close()
                client.close()


main()

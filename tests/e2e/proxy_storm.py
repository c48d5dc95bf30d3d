"""proxy: clients and upstreams that do anything at any time, over reloads.

Nothing is expected of a single connection.  The checks that end every test
count: workers live, no descriptor is left, no sanitizer speaks; and then a
client is served as ever.
"""

import os
import random
import socket
import ssl
import threading

from sluice_test import (SANITIZED, Daemon, equal, listener, main, plugin,
                         receive, reset)
from harness.net import connect
from harness.tls import Peer, authority, client_context, leaf, tls_listener
from harness.upstream import Upstream, nobody

EACH = 30 if SANITIZED else 60         # connections of each client
RELOADS = 10
TLS_BEHIND = ("tls-behind", "tls-both", "header-and-tls")
KINDS = ("plain", "tls-before", "names") + TLS_BEHIND
SHORT = {"linger": "200ms", "close": "3s", "write": "2s", "handshake": "1s"}


def do_anything(s, r):
    is_tls = isinstance(s, ssl.SSLSocket)
    s.settimeout(0.5)
    try:
        for _ in range(r.randint(0, 5)):
            what = r.randint(0, 8)
            if what < 4:
                s.sendall(bytes(r.choice((1, 100, 5000, 100000))))
            elif what < 8:
                s.recv(r.choice((1, 1000, 100000)))
            elif not is_tls:
                s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    r.choice((reset, socket.socket.close, socket.socket.close))(s)


class Wild(Upstream):
    """Serves in any way, until the end of the test."""

    def __init__(self, r, context=None):
        super().__init__()
        self.r, self.context = r, context
        self.threads = [threading.Thread(target=self.run)]
        self.threads[0].start()

    def run(self):
        while True:
            try:
                s = self.accept()
            except OSError:
                return
            r = random.Random(self.r.random())
            self.threads.append(threading.Thread(target=self.serve,
                                                 args=(s, r)))
            self.threads[-1].start()

    def serve(self, s, r):
        what = r.random()
        if what < 0.1:
            reset(s)
            return
        try:
            s.settimeout(0.5)
            if self.context and what < 0.9:
                s = self.context.wrap_socket(s, server_side=True)
        except OSError:
            s.close()
            return
        do_anything(s, r)

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        super().close()


def options(r, kind, plain, tls, refused):
    chosen = [u.address for u in (tls if kind in TLS_BEHIND else plain)]
    chosen.append(refused)
    r.shuffle(chosen)
    found = {"upstreams": chosen[:r.randint(1, len(chosen))],
             "retries": r.randint(0, 3),
             "balance": r.choice(("round_robin", "least_connections",
                                  "hash_address")),
             "fail_count": r.choice((0, 0, 3)), "fail_backoff": "10ms",
             "fail_backoff_max": "40ms", "connect_timeout": "500ms",
             "idle_timeout": "1s", "max_connections": r.choice((0, 0, 5))}
    if kind in TLS_BEHIND:
        found["upstream_tls"] = True
    if kind == "header-and-tls":
        found["send_proxy"] = r.choice(("v1", "v2"))
    if kind == "plain":
        found["send_proxy"] = r.choice(("none", "v1", "v2"))
    if kind == "names":
        found["sni_routes"] = ["a.org " + plain[0].address,
                               "*.a.org %s, %s" % (plain[1].address, refused)]
        found["hello_timeout"] = "300ms"
    return found


def say_hello(s, r):
    """A ClientHello, perhaps cut or changed, in pieces."""
    data = bytearray(Peer(s, name=r.choice(("a.org", "b.a.org"))).hello())
    if r.random() < 0.2:
        del data[r.randint(1, len(data)):]
    if r.random() < 0.2:
        data[r.randrange(len(data))] = r.randrange(256)
    step = max(1, len(data) // r.randint(1, 5))
    for at in range(0, len(data), step):
        s.sendall(data[at:at + step])


def be_a_client(address, kind, r):
    for _ in range(EACH):
        s = connect(address)
        s.settimeout(0.5)
        try:
            if kind == "names":
                say_hello(s, r)
            elif kind in ("tls-before", "tls-both") and r.random() < 0.8:
                s = client_context().wrap_socket(
                    s, server_hostname="localhost")
        except OSError:
            s.close()
            continue
        do_anything(s, r)


def make_listener(kind, found):
    make = tls_listener if kind in ("tls-before", "tls-both") else listener
    more = {"connect_tls": {"ca": authority().cert}} if (
        kind in TLS_BEHIND) else {}
    return make(kind, plugin("proxy"), options=found, timeouts=SHORT, **more)


def test_anything_at_any_time():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("SEED=%d" % seed)
    r = random.Random(seed)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf().cert, leaf().key)
    plain = [Wild(random.Random(r.random())) for _ in range(2)]
    tls = [Wild(random.Random(r.random()), context) for _ in range(2)]
    refused = nobody()

    def choose(kind):
        return options(r, kind, plain, tls, refused)

    with Daemon(*[make_listener(kind, choose(kind)) for kind in KINDS],
                workers=2) as d:
        clients = [threading.Thread(target=be_a_client, args=(
            d.addresses(kind)[0], kind, random.Random(r.random())))
            for kind in KINDS for _ in range(2)]
        for thread in clients:
            thread.start()
        for number in range(RELOADS):
            for one in d.listeners:
                one["options"] = choose(one["name"])
            d.write_config()
            equal(d.reload_ready(), number + 2)
        for thread in clients:
            thread.join()
        for u in plain + tls:
            u.close()
        equal(len(d.log_lines(r"worker \d+ \(pid \d+\) started")), 2)
        with Upstream() as u:
            d.listener("plain")["options"] = {"upstreams": [u.address]}
            d.write_config()
            d.reload_ready()
            client, server = d.connect("plain"), u.accept()
            client.sendall(b"as ever")
            equal(receive(server, 7), b"as ever")
            client.close()
            server.close()


main()

"""No two handshakes have the same random bytes, whichever workers do them."""

import os
import signal

from sluice_test import Daemon, check, equal, main, plugin
from harness.tls import V12, Peer, client_context, tls_listener

CLIENTS = 60


def server_random(d, context):
    """That of the ServerHello, the first message, which is not encrypted."""
    p = Peer(d.connect(), context)
    p.sock.sendall(p.hello())
    data = b""
    while len(data) < 43:
        data += p.sock.recv(1 << 16)
    p.sock.close()
    equal(data[:1], b"\x16", "a record of the handshake")
    equal(data[5], 2, "a ServerHello")
    return data[11:43]


def collect(d, seen):
    context = client_context(V12)
    for _ in range(CLIENTS):
        random = server_random(d, context)
        check(random not in seen, "a random was used twice")
        seen.add(random)


def test_workers_and_their_successors():
    seen = set()
    with Daemon(tls_listener("echo", plugin("echo")), workers=3) as d:
        collect(d, seen)
        for index in range(3):
            since = d.mark()
            os.kill(d.workers()[index], signal.SIGKILL)
            d.wait_log(r"worker %d \(pid \d+\) started" % (index + 1), since)
            collect(d, seen)
        d.reload_ready()
        collect(d, seen)
    equal(len(seen), 5 * CLIENTS)


main()

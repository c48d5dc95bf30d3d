"""sl_connect() to peers that do what they should not, and at bad times."""

import signal

from sluice_test import (Daemon, check, compile_plugin, equal, expect_end,
                         listener, main, receive, receive_all, reset,
                         test_plugin)
from harness import namespace
from harness.upstream import BlackHole, Upstream

PORTS = 4


def daemon(**settings):
    timeouts = settings.pop("timeouts", {})
    return Daemon(listener("c", test_plugin("connector"), timeouts=timeouts),
                  **settings)


def ask_for(d, peer):
    client = d.connect()
    client.sendall(peer.address.replace(":", " ").encode() + b"\n")
    return client


def test_ports_run_out():
    namespace.enter()
    with daemon() as d, Upstream() as peer:
        clients = [d.connect() for _ in range(PORTS + 2)]
        line = peer.address.replace(":", " ").encode() + b"\n"
        peers = []
        with namespace.few_ports(40000, 40000 + PORTS - 1):
            for client in clients[:PORTS]:
                client.sendall(line)
                peers.append(peer.accept())
            for client in clients[PORTS:]:
                client.sendall(line)
                equal(receive_all(client), b"")
        d.wait_log("connect_error .*could not connect: Cannot assign requested "
                   "address EADDRNOTAVAIL stage=2", count=2)
        for one in peers:
            one.close()
        for client in clients:
            expect_end(client)
            client.close()


def test_a_peer_that_resets_at_once():
    with daemon() as d, Upstream() as peer:
        for _ in range(50):
            with ask_for(d, peer) as client:
                reset(peer.accept())
                try:
                    equal(receive_all(client), b"")
                except ConnectionResetError:
                    pass
        ended = len(d.messages("trace [0-9]+ (connect_error|open out)"))
        equal(ended, 50)


def test_a_peer_that_never_speaks():
    with daemon(timeouts={"idle": "200ms"}) as d, Upstream() as peer:
        with ask_for(d, peer) as client, peer.accept() as one:
            equal(receive_all(one), b"")
            equal(receive_all(client), b"")
        d.wait_log("closed why=idle")


def test_a_reload_while_it_connects():
    with daemon() as d, BlackHole() as peer:
        client = ask_for(d, peer)
        d.listeners = [listener("c", compile_plugin(
            "connector", d.path("v2.so"), VERSION="v2"))]
        d.write_config()
        d.reload_ready()
        equal(d.messages("open out|connect_error"), [])
        peer.open()
        with peer.accept() as one, client:
            d.wait_trace("open out v2")
            one.sendall(b"hi")
            equal(receive(client, 2), b"hi")


def test_an_end_while_it_connects():
    with daemon(drain_timeout="200ms") as d, BlackHole() as peer:
        client = ask_for(d, peer)
        d.wait_trace("open in")
        d.signal(signal.SIGTERM)
        d.wait_log("connect_error .*the daemon is ending")
        expect_end(client)
        d.wait_exit()
        check(d.messages("closed why=shutdown"), "an access line")


main()

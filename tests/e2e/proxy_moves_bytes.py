"""proxy: every byte and both ends arrive, whoever is first."""

import os
import re
import socket
import subprocess
import threading

from sluice_test import (SANITIZED, Daemon, check, equal, expect_end,
                         expect_gone, listener, main, need, plugin, receive,
                         receive_all, reset, send_until_stalled)
from harness.places import patience
from harness.tls import client_context, exchange_in_turn, tls_listener
from harness.upstream import BlackHole, Upstream

MUCH = (8 if SANITIZED else 64) << 20
PROXIED = (r"proxied 127\.0\.0\.1:\d+ upstream=%s connect_ms=\d+ ms=\d+ "
           r"in=%d out=%d tries=1 by=%s why=\"%s\"")


def proxy(*upstreams, make=listener, limits=None, **options):
    more = {"limits": limits} if limits else {}
    return Daemon(make("p", plugin("proxy"), options=dict(
        {"upstreams": [u.address for u in upstreams]}, **options), **more))


def logged(d, u, came, left, by, why="both have finished"):
    d.wait_log(PROXIED % (re.escape(u.address), came, left, by, why))


def receiver(s, count, got):
    thread = threading.Thread(target=lambda: got.append(receive(s, count)))
    thread.start()
    return thread


def both_ways(client, server):
    data, answer = os.urandom(MUCH), os.urandom(MUCH)
    got = []
    threads = [threading.Thread(target=client.sendall, args=(data,)),
               threading.Thread(target=server.sendall, args=(answer,))]
    for thread in threads:
        thread.start()
    threads.append(receiver(client, MUCH, got))
    check(receive(server, MUCH) == data, "to the upstream")
    for thread in threads:
        thread.join()
    check(got[0] == answer, "to the client")


def test_much_both_ways():
    with Upstream() as u, proxy(u) as d:
        client = d.connect(timeout=60)
        server = u.accept()
        server.settimeout(patience(60))
        both_ways(client, server)
        client.close()
        server.close()
        logged(d, u, MUCH, MUCH, "client")


def test_much_both_ways_through_small_buffers():
    with Upstream() as u, proxy(u, limits={
            "read_buffer": "4KiB", "write_buffer": "4KiB"}) as d:
        client = d.connect(timeout=60, receive_buffer=8192)
        both_ways(client, u.accept())


def test_much_both_ways_behind_tls():
    with Upstream() as u, proxy(u, make=tls_listener) as d:
        client = client_context().wrap_socket(
            d.connect(timeout=60), server_hostname="localhost")
        server = u.accept()
        exchange_in_turn(client, server, MUCH)
        client.close()
        expect_end(server)
        server.close()
        d.wait_log("proxied .* in=%d out=%d" % (MUCH, MUCH))


def test_half_close_of_the_client():
    with Upstream() as u, proxy(u) as d:
        client = d.connect()
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        server = u.accept()
        equal(receive_all(server), b"request")
        server.sendall(b"answer " * 100000)
        server.close()
        equal(receive_all(client), b"answer " * 100000)
        logged(d, u, 7, 700000, "client")


def test_half_close_of_the_upstream():
    with Upstream() as u, proxy(u) as d:
        client, server = d.connect(), u.accept()
        server.sendall(b"banner")
        server.shutdown(socket.SHUT_WR)
        equal(receive_all(client), b"banner")
        client.sendall(b"late " * 100000)
        client.close()
        equal(receive_all(server), b"late " * 100000)
        server.close()
        logged(d, u, 500000, 6, "upstream")


def test_an_end_without_a_byte():
    for first in 0, 1:
        with Upstream() as u, proxy(u) as d:
            both = [d.connect(), u.accept()]
            both[first].shutdown(socket.SHUT_WR)
            expect_end(both[1 - first])
            both[1 - first].sendall(b"still open")
            equal(receive(both[first], 10), b"still open")
            both[1 - first].close()
            expect_end(both[first])
            both[first].close()
            d.wait_log("proxied .* by=%s " % ("client", "upstream")[first])


def test_nc():
    nc = need("nc")
    if "-N" not in subprocess.run([nc, "-h"], capture_output=True,
                                  text=True).stderr:
        return                  # not that of OpenBSD
    with Upstream() as u, proxy(u) as d:
        with subprocess.Popen([nc, "-N", "127.0.0.1", str(d.port("p"))],
                              stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            process.stdin.write(b"question")
            process.stdin.close()
            server = u.accept()
            equal(receive_all(server), b"question")
            server.sendall(b"the answer")
            server.close()
            equal(process.stdout.read(), b"the answer")


def test_an_upstream_by_name():
    with Upstream() as u, Daemon(listener("p", plugin("proxy"), options={
            "upstreams": ["localhost:%d" % u.sock.getsockname()[1]]})) as d:
        client, server = d.connect(), u.accept()
        client.sendall(b"by name")
        equal(receive(server, 7), b"by name")
        client.close()
        server.close()
        d.wait_log(r"proxied .* upstream=localhost:\d+ ")


def test_unix_on_both_sides():
    with Daemon(listener("p", plugin("proxy"), options={
            "upstreams": ["unix:/nowhere"]}), start=False) as d:
        path = "unix:" + d.path("up.sock")
        os.chmod(d.directory, 0o755)
        with Upstream(path) as u:
            d.listener("p").update(
                listen="unix:" + d.path("p.sock"),
                options={"upstreams": [path]})
            d.write_config()
            d.start()
            client, server = d.connect(), u.accept()
            both_ways(client, server)
            client.shutdown(socket.SHUT_WR)
            expect_end(server)
            server.close()
            expect_end(client)
            d.wait_log("proxied unix upstream=" + re.escape(path))


def test_a_client_that_leaves_before_its_upstream_is_there():
    """The upstream gets all that the client has sent."""
    with BlackHole() as u, proxy(u, connect_timeout="60s") as d:
        client = d.connect()
        client.sendall(b"all of it")
        client.close()
        u.open()
        equal(receive_all(u.accept()), b"all of it")
        d.wait_log("proxied .* in=9 out=0 ")


def test_a_close_at_every_moment():
    """Of one side or the other, by FIN and by RST; none of it hangs."""
    ends = {"fin": lambda s: s.close(), "rst": reset}
    with Upstream() as u, proxy(u) as d:
        for end in ends.values():
            end(d.connect())            # before the upstream accepts
            expect_gone(u.accept())
            for who in 0, 1:
                for sent in (), (0,), (1,), (0, 1):
                    both = [d.connect(), u.accept()]
                    for sender in sent:
                        both[sender].sendall(b"x" * 1000)
                        receive(both[1 - sender], 1000)
                    end(both[who])
                    expect_gone(both[1 - who])
                    both[1 - who].close()
            for who in 0, 1:            # while much is on its way
                both = [d.connect(receive_buffer=4096), u.accept()]
                send_until_stalled(both[1 - who], bytes(MUCH), quiet=0.05)
                send_until_stalled(both[who], bytes(1 << 20), quiet=0.05)
                end(both[who])
                expect_gone(both[1 - who])
                both[1 - who].close()
        d.wait_log("proxied .* why=", count=20)


main()

"""proxy: an upstream that fails costs its own connections, and no more."""

import re
import resource
import socket
import time

from sluice_test import (SANITIZED, Daemon, Skip, check,
                         connection_descriptors, connector, equal, expect_end,
                         expect_gone, listener, main, memory, need, plugin, receive,
                         reset, wait_until)
from harness.upstream import BlackHole, Upstream, nobody


def proxy(*upstreams, launcher=(), **options):
    return Daemon(listener("p", plugin("proxy"), options=dict(
        {"upstreams": [getattr(u, "address", u) for u in upstreams]},
        **options)), launcher=launcher)


def need_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        raise Skip("%d descriptors are needed" % count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def echo_once(client, u):
    server = u.accept()
    client.sendall(b"hello")
    equal(receive(server, 5), b"hello")
    server.sendall(b"there")
    equal(receive(client, 5), b"there")
    return server


def served_among_others(client, u):
    """Checks and other clients come as well, and are sent away."""
    client.sendall(b"who")
    while True:
        with u.accept() as server:
            if server.recv(3) == b"who":
                server.sendall(b"me")
                break
    equal(receive(client, 2), b"me")
    client.close()


def test_the_next_one_is_tried():
    with Upstream() as u, BlackHole() as hole:
        with proxy(nobody(), "unix:/does/not/exist", hole, u, retries=3,
                   connect_timeout="100ms") as d:
            client = d.connect()
            client.sendall(b"early ")
            server = u.accept()
            equal(receive(server, 6), b"early ")
            client.close()
            server.close()
            d.wait_log(r"proxied .* upstream=%s .* tries=4 " % re.escape(
                u.address))
            d.wait_log("conn 1 p 127.*: upstream failed: unix:/does/not/exist"
                       ": could not connect: No such file")


def test_all_are_down():
    gone = nobody()
    with proxy(gone, nobody(), fail_backoff="1m", fail_backoff_max="1m") as d:
        for _ in range(3):
            expect_end(d.connect())
        d.wait_log("conn %d+ p 127.* no upstream: all have failed; "
                   "tried: 2, the last: 127.*Connection refused" % 1)
        d.wait_log(r"upstream %s is out for 60000 ms, after failures in a "
                   "row: 3, the last: .*Connection refused"
                   % re.escape(gone))
        # From now on nobody is even asked.
        expect_end(d.connect())
        d.wait_log("no upstream: all are out or full$")
        check(not d.log_lines("proxied"))


def test_no_more_retries():
    with Upstream() as u, proxy(nobody(), nobody(), u, retries=1) as d:
        expect_end(d.connect())
        d.wait_log("no upstream: no more retries; tried: 2, the last: ")
        echo_once(d.connect(), u)


def test_a_reset_before_anything_was_sent():
    """Is as good as a refusal."""
    with Upstream() as bad, Upstream() as u, proxy(
            bad, u, fail_count=1, fail_backoff="1m",
            fail_backoff_max="1m") as d:
        client = d.connect()
        reset(bad.accept())
        echo_once(client, u)
        d.wait_log("upstream %s is out for 60000 ms"
                   % re.escape(bad.address))
        echo_once(d.connect(), u)


def test_a_reset_after_that():
    """Somebody may have acted on what was sent."""
    with Upstream() as bad, Upstream() as u, proxy(bad, u) as d:
        client = d.connect()
        client.sendall(b"pay")
        server = bad.accept()
        equal(receive(server, 3), b"pay")
        reset(server)
        expect_gone(client)
        d.wait_log('proxied .* in=3 out=0 tries=1 by=upstream why="[^"]*reset')
        u.sock.settimeout(0.2)
        try:
            u.accept()
        except socket.timeout:
            return
        check(False, "another upstream was asked")


def test_an_end_is_an_answer():
    with Upstream() as first, Upstream() as u, proxy(first, u) as d:
        client = d.connect()
        first.accept().close()
        expect_end(client)
        client.close()
        d.wait_log("proxied .* tries=1 by=upstream")


def test_it_dies_in_mid_stream():
    with Upstream() as u, proxy(u) as d:
        client, server = d.connect(), u.accept()
        server.sendall(b"x" * 100000)
        equal(receive(client, 1), b"x")
        server.sendall(b"the end")
        server.close()
        got = b""
        while not got.endswith(b"the end"):
            got += client.recv(1 << 16)
        equal(len(got), 100006)
        # And the other way.
        client, server = d.connect(), u.accept()
        client.sendall(b"y" * 100000)
        equal(receive(server, 1), b"y")
        client.close()
        equal(len(receive(server, 99999)), 99999)
        expect_end(server)
        server.close()


def test_it_never_speaks():
    with Upstream() as u, proxy(u, idle_timeout="200ms") as d:
        client = d.connect()
        client.sendall(b"anybody?")
        server = u.accept()
        equal(receive(server, 8), b"anybody?")
        for s in client, server:
            expect_gone(s)
            s.close()
        d.wait_log('proxied .* in=8 out=0 .* by=client why="no traffic')


def test_it_closes_an_idle_connection_as_a_request_goes_out():
    with Upstream() as u, proxy(u) as d:
        for gone in socket.socket.close, reset:
            client = d.connect()
            server = echo_once(client, u)
            gone(server)
            try:
                client.sendall(b"request")
            except (BrokenPipeError, ConnectionResetError):
                pass
            expect_gone(client)
            client.close()
        d.wait_log("proxied .* by=", count=2)


def test_back_offs_grow_and_end_with_a_trial():
    address = nobody()
    with proxy(address, fail_count=2, fail_backoff="20ms",
               fail_backoff_max="80ms") as d:
        waits = []
        while len(waits) < 5:
            expect_end(d.connect())
            waits = [int(re.search(r"out for (\d+) ms", line).group(1))
                     for line in d.log_lines("is out for")]
        equal(waits, [20, 40, 80, 80, 80])
        failures = d.log_lines("is out for")[-1]
        check("in a row: 6," in failures, failures)
        with Upstream(address) as u:
            def is_back():
                d.connect().close()
                return d.log_lines("is back")

            wait_until(is_back, "the upstream to be back")
            served_among_others(d.connect(), u)


def test_nobody_asks_is_not_well():
    """However late the trial comes that fails, the back-off grows."""
    with proxy(nobody(), fail_count=1, fail_backoff="1ms",
               fail_backoff_max="4ms") as d:
        for count in range(1, 5):
            while len(d.log_lines("is out for")) < count:
                expect_end(d.connect())
            time.sleep(0.02)        # more than the longest back-off
        equal([int(re.search(r"out for (\d+) ms", line).group(1))
               for line in d.log_lines("is out for")][:4], [1, 2, 4, 4])


def test_checks():
    address = nobody()
    with proxy(address, check_interval="20ms", fail_count=2) as d:
        d.wait_log("upstream %s is out until a check finds it well"
                   % re.escape(address))
        expect_end(d.connect())
        d.wait_log("no upstream: all are out or full$")
        with Upstream(address) as u:
            d.wait_log("upstream %s is back" % re.escape(address))
            served_among_others(d.connect(), u)
        d.wait_log("is out until a check", count=2)
        check(not d.log_lines("closed why=connect"), "checks are logged")
        # A reload ends them.
        del d.listener("p")["options"]["check_interval"]
        d.write_config()
        d.reload_ready()


def test_more_clients_than_may_connect_at_once():
    """Those beyond the daemon's 1,024 wait for their turn."""
    count = 1100
    need_descriptors(2 * count + 100)
    with BlackHole() as u, proxy(u, connect_timeout="60s",
                                 log_connections=False) as d:
        where, clients = ("127.0.0.1", d.port("p")), []
        for number in range(count):
            clients.append(socket.create_connection(where))
            clients[-1].sendall(b"%04d" % number)
        u.open()
        servers, got = [], set()
        while len(got) < count:
            servers.append(u.accept())
            got.add(receive(servers[-1], 4))
        equal(got, {b"%04d" % number for number in range(count)})
        for s in clients + servers:
            s.close()


def without_descriptors(limit):
    """Did a client get its descriptor, and its upstream none?"""
    with Upstream() as u, proxy(
            u, fail_count=1,
            launcher=[need("prlimit"), "--nofile=%d:%d" % (limit, limit)]) as d:
        clients = [d.connect() for _ in range(40)]
        line = d.wait_log("no upstream: this worker cannot connect; tried: "
                          "1, the last: .*Too many open files|cannot accept")
        for s in clients:
            s.close()
        served_among_others(d.connect(), u)
        check(not d.log_lines("is out for"))
        return "cannot connect" in line.string


def test_a_want_of_descriptors_is_nobodys_fault():
    """They are taken in pairs: of two limits, one ends amid a pair."""
    check(without_descriptors(64) + without_descriptors(65) > 0)


def test_a_connector_has_no_client():
    """It is refused each time, and disturbs nobody."""
    with Upstream() as u, Upstream() as strange, Daemon(
            listener("p", plugin("proxy"),
                     options={"upstreams": [u.address]}),
            connectors=[connector(
                "c", plugin("proxy"), strange.address,
                options={"upstreams": [u.address]},
                retry={"first": "10ms", "max": "10ms"})]) as d:
        client = d.connect()
        server = echo_once(client, u)
        for _ in range(3):
            expect_gone(strange.accept())
        d.wait_log(r"conn \d+ c 127.*: the plugin proxy is only for listeners")
        client.sendall(b"more")
        equal(receive(server, 4), b"more")
        client.close()
        server.close()
        d.wait_log("proxied ")


def test_ten_thousand_failures_leak_nothing():
    count = 1000 if SANITIZED else 10000
    with proxy(nobody(), "unix:/does/not/exist", fail_count=0,
               log_connections=False) as d:
        d.settings["log"] = {"access": False}
        d.write_config()
        d.reload_ready()
        worker, where = d.workers()[0], ("127.0.0.1", d.port("p"))

        def fail(times):
            for _ in range(times):
                s = socket.create_connection(where)
                equal(s.recv(1), b"")
                s.close()
            wait_until(lambda: not connection_descriptors(worker),
                       "all connections to end")

        fail(count // 10)
        before = memory(worker)
        fail(count)
        grown = memory(worker) - before
        check(SANITIZED or grown < 256 << 10, "it has grown by", grown)


main()

"""allow and deny: which clients a listener lets in; max_lifetime: for how
long."""

import os
import signal
import socket

from sluice_test import (Daemon, check, equal, expect_end, expect_gone,
                         listener, main, plugin, receive, test_plugin,
                         wait_until)
from harness.tls import client_context, tls_listener


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", pairs=False,
                  **settings)


def guarded(**settings):
    return listener("echo", plugin("echo"), **settings)


def served(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    return s


def refused(d, name="echo"):
    return next(one["counts"].get("refused", {}) for one in
                d.ask("status")["listeners"] if one["name"] == name)


def test_deny_goes_before_allow():
    with daemon(guarded(allow=["127.0.0.0/8"],
                        deny=["127.0.0.2", "127.1.0.0/16"]),
                workers=2) as d:
        for source in "127.0.0.1", "127.0.0.3", "127.2.0.0":
            served(d.connect(source=source))
        for source in "127.0.0.2", "127.1.2.3":
            for _ in range(5):
                expect_gone(d.connect(source=source))
        equal(refused(d), {"denied": 10})
        d.wait_log(r"echo: refused 127.0.0.2:\d+: it is in `deny`$")
        # At most one line a second and worker.
        check(len(d.log_lines("refused 127")) < 10)
        check('sluice_connections_refused_total{listener="echo",'
              'plugin="echo",limit="denied"} 10\n'
              in d.sluicectl("metrics").stdout)


def test_what_is_not_in_allow():
    with daemon(guarded(allow="127.0.0.2")) as d:
        served(d.connect(source="127.0.0.2"))
        expect_gone(d.connect(source="127.0.0.1"))
        d.wait_log(r"echo: refused 127.0.0.1:\d+: it is not in `allow`$")


def test_a_reload_changes_them():
    """Connections that are open stay open."""
    with daemon(guarded()) as d:
        s = served(d.connect())
        d.listeners[0]["deny"] = ["127.0.0.0/8"]
        d.write_config()
        d.reload_ready()
        d.wait_log("echo: deny")
        served(s)
        expect_gone(d.connect())
        del d.listeners[0]["deny"]
        d.write_config()
        d.reload_ready()
        served(d.connect())


def test_ipv4_clients_of_an_ipv6_socket():
    with daemon(guarded(listen="*:0", deny=["127.0.0.2"])) as d:
        port = d.port("echo")
        served(d.connect(address="127.0.0.1:%d" % port))
        served(d.connect(address="[::1]:%d" % port))
        expect_gone(d.connect(address="127.0.0.1:%d" % port,
                              source="127.0.0.2"))


def test_unix():
    with Daemon(guarded(), start=False) as d:
        path = d.path("socket")
        for settings, lets_in in (({"deny": "unix"}, False),
                                  ({"allow": "127.0.0.1"}, False),
                                  ({"allow": ["127.0.0.1", "unix"]}, True)):
            d.listeners[0] = guarded(**settings)
            d.listeners[0]["listen"] = "unix:" + path
            d.write_config()
            if d.pid is None:
                d.start()
            else:
                d.reload_ready()
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            if lets_in:
                served(s)
            else:
                expect_gone(s)
            s.close()


def test_clients_of_a_proxy():
    with daemon(guarded(deny=["192.0.2.0/24"],
                        proxy_protocol={"from": ["127.0.0.1"]})) as d:
        s = d.connect(source="127.0.0.1")
        s.sendall(b"PROXY TCP4 198.51.100.7 198.51.100.1 4411 443\r\n")
        served(s)
        s = d.connect(source="127.0.0.1")
        s.sendall(b"PROXY TCP4 192.0.2.7 198.51.100.1 4411 443\r\n")
        expect_gone(s)
        d.wait_log("refused 192.0.2.7:4411: it is in `deny`$")
        equal(refused(d), {"denied": 1})


def test_a_proxy_itself_is_let_in():
    """So it checks whether we are there, with a header that names nobody."""
    with daemon(guarded(allow=["192.0.2.0/24"],
                        proxy_protocol={"from": ["127.0.0.1"]})) as d:
        s = d.connect(source="127.0.0.1")
        s.sendall(b"PROXY TCP4 192.0.2.7 198.51.100.1 4411 443\r\n")
        served(s)
        s = d.connect(source="127.0.0.1")
        s.sendall(b"PROXY UNKNOWN\r\n")
        served(s)
        s = d.connect(source="127.0.0.2")
        expect_gone(s)


def test_thousands():
    networks = ["10.%d.%d.0/24" % (i // 250, i % 250) for i in range(20000)]
    with daemon(guarded(deny=networks + ["127.0.0.2"])) as d:
        served(d.connect(source="127.0.0.1"))
        expect_gone(d.connect(source="127.0.0.2"))


def burst(d, count, source="127.0.0.1"):
    """How many of so many connections, made at once, are served."""
    clients = [d.connect(source=source) for _ in range(count)]
    good = 0
    for s in clients:
        try:
            s.sendall(b"x")
            good += s.recv(1) == b"x"
        except OSError:
            pass
        s.close()
    return good


def test_accept_rate():
    for workers in 1, 3:
        with daemon(guarded(limits={"accept_rate": 20}),
                    workers=workers) as d:
            # A few more when workers accept together; and time passes.
            good = burst(d, 200)
            check(20 <= good < 100, good)
            equal(refused(d), {"accept_rate": 200 - good})
            d.wait_log(r"echo: refused 127.0.0.1:\d+: limits.accept_rate "
                       r"\(20\) is reached")
            # As time passes there is room again.
            wait_until(lambda: burst(d, 1) == 1, "room for another")


def test_accept_rate_per_address():
    with daemon(guarded(limits={"accept_rate_per_address": 10}),
                workers=2) as d:
        good = burst(d, 100, "127.0.0.2")
        check(10 <= good < 60, good)
        equal(burst(d, 5, "127.0.0.3"), 5)      # another is not affected
        equal(refused(d), {"accept_rate_per_address": 100 - good})


def test_accept_rate_of_the_client_of_a_proxy():
    with daemon(guarded(limits={"accept_rate_per_address": 1},
                        proxy_protocol={"from": ["127.0.0.1"]})) as d:
        def comes(client):
            s = d.connect()
            s.sendall(b"PROXY TCP4 192.0.2.%d 198.51.100.1 4411 443\r\nx"
                      % client)
            try:
                return s.recv(1) == b"x"
            except OSError:
                return False

        check(comes(1) and comes(2))
        wait_until(lambda: not comes(3), "one too many")
        wait_until(lambda: comes(3), "room again")


def test_lifetime():
    """It ends politely, also one that was open before the reload."""
    with daemon(guarded(), listener("other", plugin("echo"))) as d:
        s = served(d.connect("echo"))
        other = served(d.connect("other"))
        d.listeners[0]["timeouts"] = {"max_lifetime": "100ms"}
        d.write_config()
        d.reload_ready()
        expect_end(s)
        s.close()
        d.wait_log("closed why=lifetime")
        s = served(d.connect("echo"))
        expect_end(s)
        s.close()
        served(other)


def encrypted(s):
    return client_context().wrap_socket(s, server_hostname="localhost",
                                        suppress_ragged_eofs=False)


def test_lifetime_over_tls():
    """Its end is one that the client can tell from a cut."""
    with daemon(tls_listener("echo", plugin("echo"),
                             timeouts={"max_lifetime": "300ms"})) as d:
        s = served(encrypted(d.connect()))
        equal(s.recv(1), b"")
        s.close()
        d.wait_log("closed why=lifetime")


def test_lifetime_of_a_pipe():
    with daemon(listener("relay", test_plugin("relay", VERSION="v1"),
                         timeouts={"max_lifetime": "300ms"}),
                workers=1) as d:
        left, right = d.connect(), d.connect()
        left.sendall(b"x")
        equal(receive(right, 1), b"x")
        for s in left, right:
            expect_end(s)
            s.close()
        d.wait_log("closed why=lifetime")


def test_guards_of_tls():
    """They come before the handshake, which costs more than they do."""
    with daemon(tls_listener("echo", plugin("echo"), deny=["127.0.0.2"],
                             limits={"accept_rate_per_address": 2})) as d:
        expect_gone(d.connect(source="127.0.0.2"))
        for _ in range(2):
            served(encrypted(d.connect(source="127.0.0.1")))
        wait_until(lambda: burst(d, 3) == 0 and
                   refused(d).get("accept_rate_per_address", 0) > 0,
                   "one too many")
        equal(next(one["counts"]["handshakes"] for one in
                   d.ask("status")["listeners"])["full"], 2)


def test_a_worker_that_dies_takes_its_counts_along():
    """So clients are let in whom it has counted, and none is kept out."""
    with daemon(guarded(limits={"accept_rate": 5}),
                workers=1) as d:
        check(burst(d, 20) >= 5)
        os.kill(d.workers()[0], signal.SIGKILL)
        d.wait_log("killed by SIGKILL")
        wait_until(lambda: burst(d, 1) == 1, "room")
        check(refused(d)["accept_rate"] > 0)


def test_a_reload_changes_the_rate():
    with daemon(guarded(limits={"accept_rate": 1})) as d:
        wait_until(lambda: burst(d, 3) < 3, "one too many")
        d.listeners[0]["limits"] = {}
        d.write_config()
        d.reload_ready()
        equal(burst(d, 50), 50)
        d.listeners[0]["limits"] = {"accept_rate": 1}
        d.write_config()
        d.reload_ready()
        wait_until(lambda: burst(d, 3) < 3, "one too many again")


def test_mistakes():
    with daemon(guarded()) as d:
        d.listeners[0]["allow"] = ["10.0.0.1/8"]
        d.write_config()
        said = d.reload_refused()
        check("sluice.conf:5: allow: \"10.0.0.1/8\" has more than the first "
              "8 bits; write 10.0.0.0/8 for the network" in said, said)
        served(d.connect())


main()

"""proxy: a reload or a crash cuts nothing that it need not cut."""

import os
import re
import signal
import socket
import threading

from sluice_test import (SOURCE, Daemon, check, compile_plugin, equal,
                         expect_end, expect_gone, listener, main, plugin,
                         receive, reset, wait_until)
from harness.net import connect
from harness.process import mapped_images
from harness.upstream import Upstream, nobody


def proxy(*upstreams, workers=1, path=None, **options):
    return Daemon(listener("p", path or plugin("proxy"), options=dict(
        {"upstreams": [getattr(u, "address", u) for u in upstreams]},
        **options)), workers=workers)


def change(d, *upstreams, **options):
    d.listener("p")["options"] = dict(
        {"upstreams": [getattr(u, "address", u) for u in upstreams]},
        **options)
    d.write_config()
    d.reload_ready()


def talk(client, server, text):
    client.sendall(text)
    equal(receive(server, len(text)), text)
    server.sendall(text[::-1])
    equal(receive(client, len(text)), text[::-1])


def test_the_upstream_in_use_is_removed():
    with Upstream() as old, Upstream() as new, proxy(old) as d:
        client, server = d.connect(), old.accept()
        talk(client, server, b"before")
        quiet, quiet_server = d.connect(), old.accept()
        change(d, new)
        talk(client, server, b"after" * 100000)
        talk(quiet, quiet_server, b"first word")
        fresh, fresh_server = d.connect(), new.accept()
        talk(fresh, fresh_server, b"new")
        client.close()
        expect_end(server)
        server.close()
        d.wait_log("proxied .* upstream=%s .* in=500006 "
                   % re.escape(old.address))
        for s in quiet, quiet_server, fresh, fresh_server:
            s.close()


def test_counts_and_health_are_kept():
    down = nobody()
    patient = {"fail_count": 1, "fail_backoff": "1m",
               "fail_backoff_max": "1m"}
    with Upstream() as u, proxy(down, u, max_connections=1, **patient) as d:
        client, server = d.connect(), u.accept()
        d.wait_log("upstream %s is out" % re.escape(down))
        for weight in 2, 3:
            change(d, down, u.address + " weight=%d" % weight,
                   max_connections=1, **patient)
            expect_end(d.connect())
            d.wait_log("no upstream: all are out or full$",
                       count=weight - 1)
        client.close()
        server.close()
        d.wait_log("proxied ")
        client, server = d.connect(), u.accept()
        client.close()
        server.close()
        equal(len(d.log_lines("is out for")), 1)


def test_a_retry_goes_on_in_the_next_version():
    with Upstream() as first, Upstream() as second, Upstream() as u:
        with proxy(first, second) as d:
            client = d.connect()
            server = first.accept()
            # It is as good as refused, but only after the reload.
            change(d, u, first)
            reset(server)
            server = u.accept()
            talk(client, server, b"hello")
            client.close()
            server.close()
            d.wait_log("proxied .* tries=2 ")


def test_a_refused_reload_changes_nothing():
    with Upstream() as u, proxy(u) as d:
        client, server = d.connect(), u.accept()
        d.listener("p")["options"]["upstreams"].append("nonsense")
        d.write_config()
        d.reload_refused()
        talk(client, server, b"hello")
        again, again_server = d.connect(), u.accept()
        for s in client, server, again, again_server:
            s.close()


def new_image(d):
    """The same code, compiled in another way."""
    names = sorted(os.listdir(os.path.join(SOURCE, "plugins/proxy")))
    compile_plugin(
        os.path.join(SOURCE, "plugins/proxy/proxy.c"), d.path("proxy.so"),
        ["-D_GNU_SOURCE", "-O0"] + [
            os.path.join(SOURCE, "plugins/proxy", name) for name in names
            if name.endswith(".c") and name != "proxy.c"] + ["-lm"])


def test_new_code():
    """Connections go on in it, and the old code is unloaded."""
    with Upstream() as u, Daemon(
            listener("p", "./proxy.so", options={"upstreams": [u.address]}),
            start=False) as d:
        with open(plugin("proxy"), "rb") as file:
            d.write(file.read(), "proxy.so")
        d.start()
        pairs = [(d.connect(), u.accept()) for _ in range(2)]
        talk(*pairs[0], b"before")
        images = mapped_images(d.workers()[0])
        new_image(d)
        d.reload_ready()
        pairs.append((d.connect(), u.accept()))
        for client, server in pairs:
            talk(client, server, b"after")
        wait_until(lambda: mapped_images(d.workers()[0]) == images,
                   "the old image to be unloaded")
        for client, server in pairs:
            client.close()
            server.close()
        d.wait_log("proxied ", count=3)


def serve(u):
    """Send everything back, on all connections, until close()."""
    def one(server):
        with server:
            while data := server.recv(1 << 16):
                server.sendall(data)

    def accept():
        try:
            while True:
                threading.Thread(target=one, args=(u.accept(),)).start()
        except OSError:
            pass

    threading.Thread(target=accept).start()


def test_reloads_under_load():
    """Old connections and new ones: each byte comes back."""
    with Upstream() as a, Upstream() as b, proxy(a, b) as d:
        for u in a, b:
            serve(u)
        address, done, wrong = d.addresses("p")[0], threading.Event(), []

        def old():
            with connect(address) as s:
                while not done.is_set():
                    text = os.urandom(20000)
                    s.sendall(text)
                    if receive(s, len(text)) != text:
                        wrong.append("other bytes")

        def new():
            while not done.is_set():
                with connect(address) as s:
                    s.sendall(b"hello")
                    if receive(s, 5) != b"hello":
                        wrong.append("other bytes")

        def watched(what):
            try:
                what()
            except Exception as error:
                wrong.append(repr(error))

        threads = [threading.Thread(target=watched, args=(what,))
                   for what in (old, old, new, new)]
        for thread in threads:
            thread.start()
        try:
            for number in range(20):
                change(d, *((a,), (b,), (nobody(), a, b))[number % 3],
                       balance=("round_robin", "least_connections",
                                "hash_address")[number % 3],
                       retries=3 + number % 2)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        for u in a, b:
            u.sock.shutdown(socket.SHUT_RDWR)
        equal(wrong, [])


def test_a_crash_of_one_worker():
    """The connections of the others do not notice."""
    with Upstream() as u, proxy(u, workers=2) as d:
        pairs = [(d.connect(), u.accept()) for _ in range(40)]
        for client, server in pairs:
            talk(client, server, b"x" * 10000)
        os.kill(d.workers()[0], signal.SIGKILL)
        d.wait_log("worker 1.*(died|killed|ended|SIGKILL)")
        lived = 0
        for client, server in pairs:
            try:
                client.sendall(b"still here?")
                if server.recv(11):
                    server.sendall(b"yes")
                    equal(receive(client, 3), b"yes")
                    lived += 1
                    continue
            except OSError:
                pass
            expect_gone(client)
            expect_gone(server)
        check(0 < lived < 40, lived, "of 40 have lived")
        client, server = d.connect(), u.accept()
        talk(client, server, b"and new ones")
        for client, server in pairs + [(client, server)]:
            client.close()
            server.close()


def test_the_daemon_ends_under_load():
    """A drain waits for both sides."""
    with Upstream() as u, proxy(u) as d:
        client, server = d.connect(), u.accept()
        talk(client, server, b"before")
        d.signal(signal.SIGTERM)
        d.wait_log("draining")
        talk(client, server, b"meanwhile")
        client.close()
        expect_end(server)
        server.close()
        d.wait_exit()
        d.wait_log("proxied ")


main()

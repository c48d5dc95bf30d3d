"""limits.rate_in and the others: bytes a second, of a connection and of a
listener. A slow machine makes nothing faster, so the tests hold only against
what is too fast."""

import os
import selectors
import signal
import threading
import time

from sluice_test import (Daemon, check, connector, equal, listener, main,
                         plugin, receive, test_plugin)
from harness.places import patience
from harness.tls import client_context, tls_listener
from harness.upstream import Upstream

RATE = 64 << 10
MUCH = 100 << 10    # a quarter of a second's worth, and more than a second


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", pairs=False,
                  **settings)


class Meter:
    """How much has moved, and whether that is too much."""

    def __init__(self, rate):
        self.rate, self.moved, self.begun = rate, 0, time.monotonic()
        self.lock = threading.Lock()

    def add(self, n, also=0):
        with self.lock:
            self.moved += n
            passed = time.monotonic() - self.begun
            # A quarter is a gift; and the clock of a pass may be behind.
            check(self.moved <= self.rate * (passed + 0.5) + also,
                  "%d bytes in %.3f s" % (self.moved, passed))


def receive_slowly(s, n, meter, also=0):
    """Receive exactly n bytes."""
    data = b""
    while len(data) < n:
        part = s.recv(min(1 << 16, n - len(data)))
        check(part, "it has ended early")
        data += part
        meter.add(len(part), also)
    return data


def paced(d, name):
    return next(one["counts"].get("paced", {}) for one in
                d.ask("status")["listeners"] if one["name"] == name)


DATA = bytes(i * 7 % 251 for i in range(MUCH))


def echo(connect, meter):
    """Through an echo that is sent at a rate."""
    with connect() as s:
        sender = threading.Thread(target=s.sendall, args=(DATA,))
        sender.start()
        equal(receive_slowly(s, MUCH, meter), DATA)
        sender.join()


def test_output():
    with daemon(listener("echo", plugin("echo"),
                         limits={"rate_out": RATE})) as d:
        echo(d.connect, Meter(RATE))
        check(paced(d, "echo")["rate_out"] > 0)
        check('sluice_rate_waits_total{listener="echo",plugin="echo",'
              'limit="rate_out"}' in d.sluicectl("metrics").stdout)


def test_input():
    with daemon(listener("echo", plugin("echo"),
                         limits={"rate_in": "64KiB"})) as d:
        echo(d.connect, Meter(RATE))
        check(paced(d, "echo")["rate_in"] > 0)


def test_over_tls():
    with daemon(tls_listener("echo", plugin("echo"),
                             limits={"rate_in": 2 * RATE,
                                     "rate_out": RATE})) as d:
        with client_context().wrap_socket(d.connect(),
                                          server_hostname="localhost") as s:
            meter = Meter(RATE)
            s.sendall(DATA)
            equal(receive_slowly(s, MUCH, meter), DATA)
        check(paced(d, "echo")["rate_in"] > 0)
        check(paced(d, "echo")["rate_out"] > 0)


def of_all_workers(direction):
    with daemon(listener("echo", plugin("echo"),
                         limits={"listener_rate_" + direction: RATE}),
                workers=2) as d:
        meter = Meter(RATE)
        # Both workers may find the same room free.
        also = RATE // 4
        clients = [d.connect() for _ in range(8)]
        sizes = [MUCH // 4] * len(clients)
        failed = []

        def run(s, n):
            try:
                sender = threading.Thread(target=s.sendall, args=(DATA[:n],))
                sender.start()
                equal(receive_slowly(s, n, meter, also), DATA[:n])
                sender.join()
            except BaseException as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=run, args=pair)
                   for pair in zip(clients, sizes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(failed, [])
        equal(meter.moved, sum(sizes))
        check(paced(d, "echo")["listener_rate_" + direction] > 0)


def test_output_of_all_workers():
    of_all_workers("out")


def test_input_of_all_workers():
    of_all_workers("in")


def test_pipes():
    """Bytes that go past the plugin, and past our memory."""
    with daemon(listener("plain", test_plugin("relay", VERSION="v1"),
                         limits={"rate_in": 16 * RATE,
                                 "rate_out": 8 * RATE}), workers=1) as d:
        since = d.mark()
        left, right = d.connect(), d.connect()
        d.wait_log("piped", since)
        data = DATA * 10
        sender = threading.Thread(target=left.sendall, args=(data,))
        sender.start()
        equal(receive_slowly(right, len(data), Meter(8 * RATE)), data)
        sender.join()
        waits = paced(d, "plain")
        check(waits["rate_in"] > 0 and waits["rate_out"] > 0, waits)


def test_a_connector():
    with Upstream() as peer:
        with Daemon(connectors=[connector("feed", plugin("echo"),
                                          peer.address,
                                          limits={"rate_in": 2 * RATE,
                                                  "rate_out": RATE})]):
            with peer.accept() as s:
                sender = threading.Thread(target=s.sendall, args=(DATA,))
                meter = Meter(RATE)
                sender.start()
                equal(receive_slowly(s, MUCH, meter), DATA)
                sender.join()


def test_not_what_the_plugin_connects_to():
    with Upstream() as peer:
        with daemon(listener("echo", test_plugin("connector"),
                             limits={"rate_in": 100})) as d:
            s = d.connect()
            s.sendall(peer.address.replace(":", " ").encode() + b"\n")
            with peer.accept() as upstream:
                upstream.sendall(DATA)
                equal(receive(s, MUCH), DATA)


def receive_some(s):
    try:
        return s.recv(1 << 16)
    except ConnectionError:
        return b""


def everybody_gets(clients, n):
    """Each receives so much, while all want more; or it ends.

    Returns those that have not ended.
    """
    got = dict.fromkeys(clients, 0)
    deadline = time.monotonic() + patience()
    with selectors.DefaultSelector() as selector:
        for s in clients:
            selector.register(s, selectors.EVENT_READ)
        while min(got.values()) < n:
            check(time.monotonic() < deadline, list(got.values()))
            for key, _ in selector.select(1):
                part = receive_some(key.fileobj)
                if not part:
                    selector.unregister(key.fileobj)
                    del got[key.fileobj]
                    continue
                got[key.fileobj] += len(part)
    return list(got)


def test_no_worker_starves_another():
    """Also not one that is new, and has moved nothing so far."""
    with daemon(listener("chargen", plugin("chargen"),
                         limits={"listener_rate_out": 400000}),
                workers=2) as d:
        clients = [d.connect() for _ in range(10)]
        equal(len(everybody_gets(clients, 50000)), 10)
        os.kill(d.workers()[0], signal.SIGKILL)
        d.wait_log("killed by SIGKILL")
        clients += [d.connect() for _ in range(6)]
        check(len(everybody_gets(clients, 50000)) >= 6)


def test_a_drain_does_not_wait_for_it():
    """A rate holds up no listener that is to go."""
    with daemon(listener("chargen", plugin("chargen"),
                         limits={"rate_out": 500},
                         timeouts={"close": "100ms"}),
                listener("echo", plugin("echo")),
                drain_timeout="100ms") as d:
        s = d.connect()
        s.recv(50)
        del d.listeners[0]
        d.write_config()
        d.reload_ready()
        d.wait_log("chargen .* closed why=undelivered .* after=reload")
        s.close()


def test_a_reload_sets_and_lifts_it_under_connections():
    with daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        d.listeners[0]["limits"] = {"listener_rate_out": 100}
        d.write_config()
        d.reload_ready()
        s.sendall(DATA)
        receive_slowly(s, 100, Meter(100), also=100)
        check(paced(d, "echo")["listener_rate_out"] > 0)
        d.listeners[0]["limits"] = {}
        d.write_config()
        d.reload_ready()
        # At 100 bytes a second this would take a quarter of an hour.
        receive(s, MUCH - 100)


def test_the_idle_timeout_does_not_run_meanwhile():
    with daemon(listener("echo", plugin("echo"), limits={"rate_in": 1000},
                         timeouts={"idle": "100ms"})) as d:
        s = d.connect()
        s.sendall(DATA[:900])
        equal(receive_slowly(s, 900, Meter(1000)), DATA[:900])


def test_a_stop_waits_for_it_as_long_as_it_waits_for_any():
    with daemon(listener("chargen", plugin("chargen"),
                         limits={"rate_out": 1000}),
                drain_timeout="1s") as d:
        s = d.connect()
        receive_slowly(s, 300, Meter(1000))
        d.stop(close_clients=False)


def test_one_worker_dies_and_the_rate_holds():
    with daemon(listener("echo", plugin("echo"),
                         limits={"listener_rate_out": RATE}),
                workers=2) as d:
        meter = Meter(RATE)
        echo(d.connect, meter)
        os.kill(d.workers()[0], signal.SIGKILL)
        d.wait_log("killed by SIGKILL")
        meter = Meter(RATE)
        with d.connect() as s:
            s.sendall(DATA[:MUCH // 2])
            equal(receive_slowly(s, MUCH // 2, meter, also=RATE // 4),
                  DATA[:MUCH // 2])


main()

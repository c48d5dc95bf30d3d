"""Reloads, flapping peers and kill -9 of workers: a connector has one
connection at a time, whatever happens."""

import os
import random
import selectors
import signal
import threading

from sluice_test import (SANITIZED, Daemon, check, connector, equal, listener,
                         main, plugin, test_plugin, wait_until)
from harness.upstream import Upstream, nobody

ROUNDS = 20 if SANITIZED else 50
WORKERS = 3
QUICK = {"first": "10ms", "max": "40ms"}


class Peers(threading.Thread):
    """Servers that end a connection now and then, and count the open ones."""

    def __init__(self, servers, chance):
        super().__init__(daemon=True)
        self.chance, self.flapping, self.over = chance, True, False
        self.open = {server.address: set() for server in servers}
        self.most = 0
        self.selector = selectors.DefaultSelector()
        for server in servers:
            self.selector.register(server.sock, selectors.EVENT_READ,
                                   (server, None))

    def run(self):
        while not self.over:
            for key, _ in self.selector.select(0.01):
                server, s = key.data
                if s is None:
                    self.take(server)
                elif s in self.open[server.address] and not self.has_data(s):
                    self.end(server, s)

    def take(self, server):
        s, _ = server.sock.accept()
        s.setblocking(False)
        # One that had ended before may be in the same batch of events.
        for other in list(self.open[server.address]):
            if not self.has_data(other):
                self.end(server, other)
        self.open[server.address].add(s)
        self.most = max(self.most, len(self.open[server.address]))
        if self.flapping and self.chance.random() < 0.3:
            self.open[server.address].discard(s)
            s.close()
            return
        self.selector.register(s, selectors.EVENT_READ, (server, s))

    @staticmethod
    def has_data(s):
        """False: it has ended."""
        try:
            return s.recv(1 << 16) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def end(self, server, s):
        self.selector.unregister(s)
        self.open[server.address].discard(s)
        s.close()


def connectors(chance, servers):
    """Those of one configuration; each peer has its own name."""
    codes = [plugin("echo"), test_plugin("stamp"),
             test_plugin("stamp", VERSION="v2"),
             test_plugin("stamp", VERSION="v3", STATE_VERSION=3)]
    found = [connector("c%d" % i, chance.choice(codes), server.address,
                       retry=QUICK, on_reload=chance.choice(
                           ["swap", "drain", "close"]))
             for i, server in enumerate(servers) if chance.random() < 0.8]
    if chance.random() < 0.5:
        found.append(connector("dead", chance.choice(codes), nobody(),
                               retry=QUICK, per_worker=True))
    if chance.random() < 0.2:           # its `start` refuses
        found.append(connector("bad", test_plugin("connector"), nobody(),
                               options={"fail": True}))
    return found


def storm(rounds, **settings):
    seed = random.randrange(1 << 32)
    print("# seed %d" % seed)
    chance = random.Random(seed)
    servers = [Upstream() for _ in range(3)]
    peers = Peers(servers, random.Random(seed))
    peers.start()
    with Daemon(listener("echo", plugin("echo")), workers=WORKERS,
                probation=0, control="control.sock",
                connectors=connectors(chance, servers[:1])[:1],
                **settings) as d:
        for _ in range(rounds):
            d.settings["connectors"] = connectors(chance, servers)
            d.write_config()
            if chance.random() < 0.1:
                os.kill(chance.choice(d.workers()), signal.SIGKILL)
            d.reload()
        d.settings["connectors"] = [
            connector("c%d" % i, plugin("echo"), server.address, retry=QUICK)
            for i, server in enumerate(servers)]
        d.write_config()
        wait_until(lambda: isinstance(d.reload(), int), "the last reload")
        peers.flapping = False
        wait_until(lambda: all(len(found) == 1
                               for found in peers.open.values()),
                   "one connection of each")
        for i in range(len(servers)):
            wait_until(lambda: [w["state"] for w in d.connector(
                "c%d" % i).values()] == ["up"], "c%d to be up" % i)
        equal(peers.most, 1, "connections of one connector at once")
        check(d.log_lines("generation [0-9]+ ready"), "a reload")
    peers.over = True
    peers.join()
    for server in servers:
        server.close()


def test_storm():
    storm(ROUNDS)


def test_storm_with_canaries():
    storm(ROUNDS // 4, canary={"workers": 1, "time": "50ms"})


if __name__ == "__main__":
    main()

"""kill -9 of workers under load: no client is refused."""

import os
import random
import signal
import socket
import threading
import time

from sluice_test import (DEADLINE, SANITIZED, SLOW, Daemon, equal, is_alive,
                         listener, main, plugin, receive,
                         wait_until)

# Each worker dies only a few times, so that the pauses before its restart stay
# short.
WORKERS = 4 if SANITIZED else 10
ROUNDS = 2 if SANITIZED else 3
CLIENTS = 4


class Client(threading.Thread):
    """Connects and echoes a message, again and again."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.over = address, False
        self.refused = self.lost = self.served = 0
        self.wrong = []

    def run(self):
        host, _, port = self.address.rpartition(":")
        while not self.over:
            try:
                s = socket.create_connection((host, int(port)),
                                             DEADLINE * SLOW)
            except ConnectionRefusedError:
                self.refused += 1
                continue
            except OSError:
                self.lost += 1	# reset while it was being accepted
                continue
            with s:
                try:
                    s.sendall(b"hello")
                    got = s.recv(5)
                    if not got:
                        self.lost += 1
                    elif got != b"hello"[:len(got)]:
                        self.wrong.append(got)
                    else:
                        self.served += 1
                except socket.timeout:
                    self.wrong.append("no answer")
                except OSError:
                    self.lost += 1	# its worker died


def test_kill_storm():
    seed = random.randrange(1 << 32)
    print("# seed %d" % seed)
    rng = random.Random(seed)
    with Daemon(listener("echo", plugin("echo")), workers=WORKERS,
                log={"access": False}) as d:
        clients = [Client(d.addresses("echo")[0]) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for i in range(ROUNDS):
            for victim in rng.sample(d.workers(), WORKERS):
                os.kill(victim, signal.SIGKILL)
                time.sleep(rng.random() * 0.03)
            # Each death is logged, and followed by a start.
            d.wait_log("was killed by SIGKILL", count=(i + 1) * WORKERS)
            d.wait_log(r"worker \d+ \(pid \d+\) started",
                       count=(i + 2) * WORKERS)
            wait_until(lambda: all(is_alive(pid) for pid in d.workers()),
                       "all workers to be back")
        served = [client.served for client in clients]
        wait_until(lambda: all(c.served > before + 3 for c, before
                               in zip(clients, served)), "service")
        for client in clients:
            client.over = True
        for client in clients:
            client.join(DEADLINE * SLOW)
        equal([c.refused for c in clients], [0] * CLIENTS, "refused")
        equal([c.wrong for c in clients], [[]] * CLIENTS, "wrong answers")
        equal(len(d.log_lines("was killed by SIGKILL")), ROUNDS * WORKERS,
              "killed")
        d.reload_ready()
        s = d.connect()
        s.sendall(b"after all")
        equal(receive(s, 9), b"after all")
        print("# %d served, %d lost with their worker" % (
            sum(c.served for c in clients), sum(c.lost for c in clients)))


main()

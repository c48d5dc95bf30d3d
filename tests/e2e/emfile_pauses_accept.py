"""Without free descriptors a worker does not spin, logs one line, and serves
again when there are some."""

import select
import time

from sluice_test import (Daemon, check, cpu_seconds, equal, listener, main,
                         plugin, receive, wait_until)

LIMIT = 40


def test_emfile():
    with Daemon(listener("echo", plugin("echo")), launcher=[
            "sh", "-c", 'ulimit -n %d; exec "$@"' % LIMIT, "sh"]) as d:
        worker = d.workers()[0]
        clients = [d.connect() for _ in range(LIMIT + 20)]
        for s in clients:
            s.sendall(b"hello")
        d.wait_log("(?i)descriptor|too many open files|EMFILE")
        begun, cpu = time.monotonic(), cpu_seconds(worker)

        # In each round one waiting client is accepted and closed.  Wait for
        # five.
        gone, waiting = set(), set(clients)
        served = set()
        while len(gone) < 5:
            ready = select.select(list(waiting), [], [], 15)[0]
            check(ready, "no client was closed; %d served" % len(served))
            for s in ready:
                try:
                    data = s.recv(5)
                except ConnectionResetError:
                    data = b""
                if data == b"hello":
                    served.add(s)
                else:
                    gone.add(s)
                waiting.discard(s)
        spent, passed = cpu_seconds(worker) - cpu, time.monotonic() - begun
        check(spent < 0.05 + passed / 2, "%.2f s of CPU in %.2f s"
              % (spent, passed))
        check(served, "nobody is served")
        lines = d.log_lines("(?i)descriptor|too many open files|EMFILE")
        check(len(lines) <= 3, len(lines), "lines about it")

        # Clients that were accepted go on.
        for s in served:
            s.sendall(b"again")
            equal(receive(s, 5), b"again")

        # With descriptors free again, new clients are served.
        for s in clients:
            s.close()

        def serves():
            try:
                s = d.connect()
                s.sendall(b"hello")
                good = s.recv(5) == b"hello"
                s.close()
                return good
            except OSError:
                return False

        wait_until(serves, "service")


def test_reload_without_descriptors():
    """The master can reload while its worker has no descriptor left."""
    with Daemon(listener("echo", plugin("echo")), launcher=[
            "sh", "-c", 'ulimit -n %d; exec "$@"' % LIMIT, "sh"]) as d:
        first = d.connect()
        first.sendall(b"hello")
        equal(receive(first, 5), b"hello")
        clients = [d.connect() for _ in range(LIMIT + 20)]
        d.wait_log("(?i)too many open files")
        d.listeners.append(listener("other", plugin("echo")))
        d.write_config()
        d.reload_ready()
        first.sendall(b"again")
        equal(receive(first, 5), b"again")
        for s in clients:
            s.close()


main()

"""A worker that somebody has stopped is not ended by the deadlines of a reload,
which says whom it waits for."""

import os
import signal

from sluice_test import (Daemon, check, equal, listener, main, plugin, receive)


def test_a_stopped_worker_refuses_the_reload_and_lives():
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        pids = d.workers()
        clients = [d.connect() for _ in range(8)]
        for s in clients:
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        os.kill(pids[1], signal.SIGSTOP)
        try:
            said = d.reload_refused()
            check("worker 2 did not answer within 5 s: it is stopped by a "
                  "signal" in said, said)
            since = d.mark()
            d.reload(wait=False)
            d.wait_log("waiting for worker 2 to come back to rest: it is "
                       "stopped by a signal", since)
            d.wait_log("worker 2 is not ready for it: it is stopped by a "
                       "signal", since)
            d.wait_log("reload refused", since)
        finally:
            os.kill(pids[1], signal.SIGCONT)
        equal(d.reload_ready(), 2)
        equal(d.workers(), pids, "workers")
        for s in clients:
            s.sendall(b"y")
            equal(receive(s, 1), b"y")


main()

"""The deadlines of a reload do not kill a worker that was stopped by a signal.
The log says which worker is waited for."""

import os
import signal

from sluice_test import (Daemon, check, compile_plugin, equal, listener, main,
                         plugin, receive, scratch)


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
            d.wait_log("waiting for worker 2 to get ready: it is stopped by "
                       "a signal", since)
            d.wait_log("worker 2 is not ready for another generation: it is "
                       "stopped by a signal", since)
            d.wait_log("reload refused", since)
        finally:
            os.kill(pids[1], signal.SIGCONT)
        equal(d.reload_ready(), 2)
        equal(d.workers(), pids, "workers")
        for s in clients:
            s.sendall(b"y")
            equal(receive(s, 1), b"y")


# `start` waits while the file exists.
PLUGIN = r"""
#include <sluice.h>
#include <unistd.h>

static int
on_start(struct sl_service *service)
{
	sl_log(service, SL_LOG_INFO, "starting");
	while (access(WAIT, F_OK) == 0)
		usleep(10000);
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "slow", .version = "1.0", .start = on_start,
    .server = SL_HANDLERS(.data = on_data));
"""


def test_a_commit_waits_for_a_stopped_worker():
    """The worker is stopped after it has prepared, so its COMMIT is late."""
    wait = os.path.join(scratch(), "wait")
    path = compile_plugin(PLUGIN, os.path.join(scratch(), "slow.so"),
                          WAIT=wait)
    with open(wait, "w"):
        pass
    with Daemon(listener("echo", plugin("echo")), workers=2, watchdog=0,
                arguments=["-v"]) as d:
        pids = d.workers()
        d.listeners.append(listener("slow", path))
        d.write_config()
        since = d.mark()
        d.reload(wait=False)
        busy = int(d.wait_log(r"worker (\d): slow: starting",
                              since).group(1))
        d.wait_log("worker %d: preparing -> prepared" % (3 - busy), since)
        os.kill(pids[2 - busy], signal.SIGSTOP)
        try:
            os.unlink(wait)
            d.wait_log("waiting for worker %d to commit: it is stopped by a "
                       "signal" % (3 - busy), since)
            d.reload(wait=False)        # the next reload has to wait
        finally:
            os.kill(pids[2 - busy], signal.SIGCONT)
        d.wait_log("generation 3 ready", since)
        equal(d.workers(), pids, "workers")


main()

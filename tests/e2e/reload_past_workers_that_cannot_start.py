"""Workers that hang each time they start do not hold up a reload for ever."""

import os
import signal

from sluice_test import (Daemon, check, compile_plugin, equal, listener, main,
                         receive, scratch)

# While the file exists, `start` does not return.
PLUGIN = r"""
#include <sluice.h>
#include <unistd.h>

static int
on_start(struct sl_service *service)
{
	(void)service;
	while (access(HANG, F_OK) == 0)
		usleep(10000);
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "slow", .version = "1.0", .flags = SL_MANY_WORKERS,
    .start = on_start, .server = SL_HANDLERS(.data = on_data));
"""


def test_no_worker_is_started_while_a_reload_waits_for_another():
    hang = os.path.join(scratch(), "hang")
    path = compile_plugin(PLUGIN, os.path.join(scratch(), "slow.so"),
                          HANG=hang)
    with Daemon(listener("slow", path), workers=2,
                arguments=["-v"]) as d:
        with open(hang, "w"):
            pass
        first, second = d.workers()
        since = d.mark()
        os.kill(first, signal.SIGKILL)
        d.wait_log(r"worker 1 \(pid \d+\) started", since)
        since = d.mark()
        d.reload(wait=False)
        # From here on the reload waits for workers only.
        d.wait_log("reload: build -> settle", since)
        os.kill(second, signal.SIGKILL)
        d.wait_log("generation 2 ready", since)
        os.unlink(hang)
        d.wait_log(r"worker 2 \(pid \d+\) started", since)
        seen = d.messages(r"worker 2 \(pid \d+\) started|generation 2 ready",
                          since)
        check(seen[0].startswith("generation 2"), seen)
        s = d.connect()
        s.sendall(b"served")
        equal(receive(s, 6), b"served")


main()

"""Time in which the whole machine stood still does not count: after a suspend
no process is killed for being late."""

import os
import signal
import time

from sluice_test import (Daemon, check, children, compile_plugin, listener,
                         main, plugin, scratch, title, wait_until)

# `check` waits for the file.
PLUGIN = r"""
#include <sluice.h>
#include <unistd.h>

static int
on_check(const struct sl_options *options, struct sl_error *err)
{
	(void)options;
	(void)err;
	while (access(GO, F_OK) != 0)
		usleep(10000);
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "waits", .version = "1.0", .check = on_check,
    .server = SL_HANDLERS(.data = on_data));
"""


def probe_of(d):
    return next((pid for pid in children(d.pid) if "probe" in title(pid)),
                None)


def test_a_probe_that_stood_still_with_the_master():
    go = os.path.join(scratch(), "go")
    path = compile_plugin(PLUGIN, os.path.join(scratch(), "waits.so"), GO=go)
    with Daemon(listener("echo", plugin("echo"))) as d:
        d.listeners.append(listener("waits", path))
        d.write_config()
        since = d.mark()
        d.reload(wait=False)
        probe = wait_until(lambda: probe_of(d), "the probe")
        for pid in (d.pid, probe):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(6)           # longer than the probe may take
        for pid in (d.pid, probe):
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.3)         # a plain deadline would be over now
        with open(go, "w"):
            pass
        d.wait_log("generation 2 ready", since)
        check(not d.log_lines("killed", since))


main()

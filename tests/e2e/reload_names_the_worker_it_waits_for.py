"""A reload that is refused because a worker does not answer names the worker
and its callback.  So does the next reload, which waits for the worker."""

import os
import signal

from sluice_test import (Daemon, check, compile_plugin, equal, listener, main,
                         plugin, receive, scratch)

# While the file exists, `data` and `start` do not return.
PLUGIN = r"""
#include <sluice.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
wait_for(const char *path)
{
	while (access(path, F_OK) == 0)
		usleep(10000);
}

/* The probe loads it before the workers. */
__attribute__((constructor)) static void
on_load(void)
{
	if (rename(DIRECTORY "/any/load", DIRECTORY "/any/loaded") == -1)
		wait_for(DIRECTORY "/any/loaded");
}

static int
on_start(struct sl_service *service)
{
	(void)service;
	wait_for(DIRECTORY "/start");
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	if (memchr(buf, 'w', len) != NULL)
		wait_for(DIRECTORY "/data");
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "waits", .version = "1.0", .flags = SL_MANY_WORKERS,
    .state_version = STATE, .start = on_start,
    .server = SL_HANDLERS(.data = on_data));
"""


def waits(state=1):
    return listener("room", compile_plugin(
        PLUGIN, os.path.join(scratch(), "waits-%d.so" % state),
        DIRECTORY=scratch(), STATE=state))


def hang_in(where):
    path = os.path.join(scratch(), where)
    with open(path, "w"):
        pass
    return path


def test_busy_in_old_code():
    path = hang_in("data")
    with Daemon(waits(), watchdog=0) as d:
        pid = d.workers()[0]
        s = d.connect()
        s.sendall(b"w")
        d.wait_log("has been running for")
        said = d.reload_refused()
        check("worker 1 did not answer within 5 s: callback data of plugin "
              "waits (listener room) has been running for" in said, said)
        since = d.mark()
        d.reload(wait=False)
        d.wait_log(r"reload: waiting for worker 1 to get ready: "
                   r"callback data of plugin waits \(listener room\) has "
                   r"been running for \d+ ms", since)
        for _ in range(10):     # one reload for all of them
            d.reload(wait=False)
        os.unlink(path)
        equal(receive(s, 1), b"w")
        d.wait_log("generation 3 ready", since)
        equal(d.workers(), [pid], "workers")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_it_is_refused_when_that_takes_too_long():
    path = hang_in("data")
    with Daemon(waits(), watchdog=0) as d:
        s = d.connect()
        s.sendall(b"w")
        d.reload_refused()
        said = d.reload_refused()
        check("worker 1 is not ready for another generation: callback data of "
              "plugin waits (listener room) has been running for" in said,
              said)
        os.unlink(path)
        equal(receive(s, 1), b"w")
        equal(d.reload_ready(), 2)


def test_watch_tries_again():
    path = hang_in("data")
    with Daemon(waits(), watchdog=0, arguments=["--watch"]) as d:
        s = d.connect()
        s.sendall(b"w")
        d.wait_log("has been running for")
        d.listeners.append(listener("more", d.listeners[0]["plugin"]))
        d.write_config()
        d.wait_log("worker 1 did not answer within 5 s")
        os.unlink(path)
        d.wait_log("generation 2 ready")
        equal(receive(s, 1), b"w")


def test_late_in_new_code():
    """Workers that answer late go on; for those stuck see watchdog.py."""
    path = hang_in("start")
    with Daemon(waits(), watchdog=0, workers=2, start=False) as d:
        os.unlink(path)
        d.start()
        pids = d.workers()
        hang_in("start")
        d.listeners[0] = waits(2)
        d.write_config()
        said = d.reload_refused()
        check('listener "room": start of plugin' in said, said)
        check("worker 1, worker 2 did not answer within 5 s" in said, said)
        os.unlink(path)
        equal(d.reload_ready(), 2)
        equal(d.workers(), pids, "workers")


def test_late_in_loading_new_code():
    """The plugin is that of the third listener, and its image the second."""
    echo = plugin("echo")
    with Daemon(listener("a", echo), listener("b", echo), workers=1,
                watchdog=0) as d:
        path = os.path.join(scratch(), "any")
        os.mkdir(path)
        os.chmod(path, 0o777)	# the probe has no privileges
        hang_in("any/load")
        d.listeners.append(waits(3))
        d.write_config()
        said = d.reload_refused()
        check('listener "room": load of plugin' in said, said)
        check("worker 1 did not answer within 5 s" in said, said)
        os.unlink(os.path.join(path, "loaded"))
        equal(d.reload_ready(), 2)


def test_a_rollback_goes_on_without_it():
    path = hang_in("data")
    with Daemon(waits(), watchdog=0, workers=2,
                control="control.sock") as d:
        pids = d.workers()
        d.listeners.append(listener("more", d.listeners[0]["plugin"]))
        d.write_config()
        equal(d.reload_ready(), 2)
        s = d.connect()
        s.sendall(b"w")
        index = int(d.wait_log(r"worker (\d): callback data .* has been "
                               r"running").group(1))
        since = d.mark()
        result = d.sluicectl("rollback")
        equal(result.returncode, 0)
        d.wait_log(r"waiting for worker %d no longer; it follows when it "
                   r"answers again: callback data" % index, since)
        os.unlink(path)
        equal(receive(s, 1), b"w")
        d.wait_log("worker %d answers again, and follows into generation 3"
                   % index, since)
        equal(d.reload_ready(), 4)
        equal(d.workers(), pids, "workers")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


main()

"""The next reload can bind an address even if a busy worker still holds its
socket, from a refused reload or from before sl_stop()."""

import os

from sluice_test import (Daemon, check, compile_plugin, equal, free_address,
                         listener, main, plugin, receive, scratch)

# "w" waits while the file exists.  "s" stops the listener, but only while the
# file exists: the busy worker may get its "s" only afterwards.
PLUGIN = r"""
#include <sluice.h>
#include <string.h>
#include <unistd.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	if (memchr(buf, 's', len) != NULL && access(WAIT, F_OK) == 0)
		sl_stop(sl_service(c), 0);
	if (memchr(buf, 'w', len) != NULL)
		while (access(WAIT, F_OK) == 0)
			usleep(10000);
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "waits", .version = "1.0", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
"""


def waits(address="127.0.0.1:0"):
    wait = os.path.join(scratch(), "wait")
    with open(wait, "w"):
        pass
    path = compile_plugin(PLUGIN, os.path.join(scratch(), "waits.so"),
                          WAIT=wait)
    return listener("room", path, address), wait


def serves(d, name):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def test_after_a_refused_reload():
    room, wait = waits()
    with Daemon(room, watchdog=0) as d:
        s = d.connect()
        s.sendall(b"w")
        d.wait_log("has been running for")
        d.listeners += [listener("new", plugin("echo"), free_address()),
                        listener("name", plugin("echo"),
                                 "unix:@sluice-test-%d" % os.getpid())]
        d.write_config()
        check("did not answer within 5 s" in d.reload_refused())
        since = d.mark()
        d.reload(wait=False)
        d.wait_log("waiting for worker 1 to get ready", since)
        os.unlink(wait)
        d.wait_log("generation 2 ready", since)
        equal(receive(s, 1), b"w")
        serves(d, "new")
        serves(d, "name")


def test_after_a_stop():
    room, wait = waits(free_address())
    with Daemon(room, watchdog=0, workers=2) as d:
        busy = d.connect()
        busy.sendall(b"w")
        index = int(d.wait_log(r"worker (\d): callback data .* has been "
                               r"running").group(1))
        # The other worker stops it; the busy one is told later.
        while not d.log_lines("listener room was stopped"):
            s = d.connect()
            s.settimeout(0.2)
            s.sendall(b"s")
            try:
                s.recv(1)
                d.wait_log("listener room was stopped by its plugin in worker "
                           "%d" % (3 - index))
            except TimeoutError:
                pass            # it waits for the busy worker
        since = d.mark()
        d.reload(wait=False)
        d.wait_log("waiting for worker %d to get ready" % index, since)
        os.unlink(wait)
        d.wait_log("generation 2 ready", since)
        equal(receive(busy, 1), b"w")
        serves(d, "room")


main()

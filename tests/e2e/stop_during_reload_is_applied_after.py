"""After sl_stop() during a reload, the listener is stopped when the reload has
ended, committed or refused."""

import os

from sluice_test import (Daemon, check, compile_plugin, equal, free_address,
                         listener, main, receive_line, scratch, test_plugin,
                         wait_until)

# `start` waits while one file exists, and then fails if the other one does.
PLUGIN = r"""
#include <sluice.h>
#include <unistd.h>

static int
on_start(struct sl_service *service)
{
	sl_log(service, SL_LOG_INFO, "starting");
	while (access(DIRECTORY "/wait", F_OK) == 0)
		usleep(10000);
	return access(DIRECTORY "/no", F_OK) == 0 ? -1 : 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "slow", .version = "1.0", .start = on_start,
    .server = SL_HANDLERS(.data = on_data));
"""


def touch(name):
    path = os.path.join(scratch(), name)
    with open(path, "w"):
        pass
    return path


def stop_meanwhile(refuse):
    path = compile_plugin(PLUGIN, os.path.join(scratch(), "slow.so"),
                          DIRECTORY=scratch())
    with Daemon(listener("c", test_plugin("command"), free_address()),
                workers=2, watchdog=0) as d:
        address = d.addresses("c")[0]
        clients, served_by = [], []
        for _ in range(30):
            since = d.mark()
            clients.append(d.connect("c"))
            served_by.append(int(d.wait_log(
                r"worker (\d): .*trace \d+ open", since).group(1)))
        wait = touch("wait")
        no = touch("no") if refuse else None
        d.listeners.append(listener("slow", path))
        d.write_config()
        since = d.mark()
        d.reload(wait=False)
        busy = int(d.wait_log(r"worker (\d): slow: starting",
                              since).group(1))
        # A client of the other worker, which has prepared by now.
        check(set(served_by) == {1, 2}, "all by one worker")
        clients[served_by.index(3 - busy)].sendall(b"stop 0\n")
        d.wait_trace("call stop = 0", since=since)
        os.unlink(wait)
        d.wait_log("reload refused" if refuse else "generation 2 ready", since)
        if no:
            os.unlink(no)
        d.wait_log(r"listener c was stopped by its plugin", since)
        seen = d.messages("listener c was stopped|ready|refused", since)
        check("was stopped" in seen[-1], seen)
        wait_until(lambda: d.refuses(address), "the listener to close")
        for s in clients:
            s.sendall(b"say still\n")
            equal(receive_line(s), "still")
        d.reload_ready()
        s = d.connect("c")
        s.sendall(b"say back\n")
        equal(receive_line(s), "back")


def test_after_commit():
    stop_meanwhile(False)


def test_after_abort():
    stop_meanwhile(True)


main()

"""An operator's rollback works however often plugins ask for a reload, and
sl_reload() does not undo it."""

import os
import threading

from sluice_test import (Daemon, check, compile_plugin, equal, listener, main,
                         plugin, scratch)

# Asks for a reload 50 times a second.
PLUGIN = r"""
#include <sluice.h>

static void
on_timer(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	sl_reload();
	sl_timer(service, c, id, 20);
}

static int
on_start(struct sl_service *service)
{
	return sl_timer(service, NULL, 1, 20);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "asks", .version = "1.0", .start = on_start,
    .timer = on_timer, .server = SL_HANDLERS(.data = on_data));
"""


def asks():
    return listener("asks", compile_plugin(
        PLUGIN, os.path.join(scratch(), "asks.so")))


def test_storm():
    with Daemon(asks(), control="control.sock") as d:
        d.listeners.append(listener("more", plugin("echo")))
        d.write_config()
        equal(d.sluicectl("reload", "--wait").returncode, 0)
        for _ in range(5):
            result = d.sluicectl("rollback")
            equal(result.returncode, 0, result.stdout + result.stderr)
            check("(as generation" in result.stdout, result.stdout)
            # sl_reload() does not undo it; an operator's reload does.
            since = d.mark()
            d.wait_log("a plugin cannot bring it again", since)
            equal(len(d.ask("status")["listeners"]), 1)
            equal(d.sluicectl("reload", "--wait").returncode, 0)
            equal(len(d.ask("status")["listeners"]), 2)


def test_while_an_operators_reload_runs():
    """The rollback goes back from the generation that ran when it came."""
    with Daemon(listener("a", plugin("echo")), control="control.sock") as d:
        for name in ("b", "c"):
            d.listeners.append(listener(name, plugin("echo")))
            d.write_config()
            if name == "b":
                d.reload_ready()
        since = d.mark()
        done = []
        reload = threading.Thread(target=lambda: done.append(
            d.sluicectl("reload", "--wait")))
        reload.start()
        d.wait_log("reloading", since)
        result = d.sluicectl("rollback")
        reload.join()
        equal((done[0].returncode, result.returncode), (0, 0))
        check("(as generation" in result.stdout, result.stdout)
        listeners = len(d.ask("status")["listeners"])
        # That depends on whether the reload had ended by then.
        target = 1 if "going back to generation 1" in "\n".join(
            d.messages("going back", since)) else 2
        equal(listeners, target)


main()

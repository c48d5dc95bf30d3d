"""A busy worker takes part in a reload.  It reads the master's messages before
those of waiting connections, and is not killed for being late."""

import time

from sluice_test import (SLOW, Daemon, check, equal, listener, main, receive,
                         test_plugin)


def room(at):
    return listener("room", test_plugin("crasher"),
                    options={"at": at, "how": "sleep", "ms": 900})


def reload_while_busy(at, clients):
    """All clients at once keep the worker busy, each for 0.9 s."""
    with Daemon(room(at)) as d:
        pid = d.workers()[0]
        made = [d.connect() for _ in range(clients)]
        for s in made:
            s.sendall(b"x")
        d.wait_log(r"took \d+ ms; all other connections")
        begun = time.monotonic()
        equal(d.reload_ready(), 2)
        check(time.monotonic() - begun < 4 * SLOW, "it waited for all of them")
        for s in made:
            equal(receive(s, 1), b"x")
        equal(d.workers(), [pid], "workers")


def test_while_data_takes_long():
    reload_while_busy("data", 8)


def test_while_open_takes_long():
    reload_while_busy("open", 8)


def test_while_timers_take_long():
    reload_while_busy("timer", 8)


main()

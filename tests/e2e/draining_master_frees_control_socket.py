"""A daemon that drains leaves its control path to a new daemon."""

import os
import signal

from sluice_test import (SLUICECTL, Daemon, check, equal, listener, main,
                         plugin, receive, run_program)

PATH = "control.sock"


def echo(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def draining():
    d = Daemon(listener("echo", plugin("echo")), drain_timeout="60s",
               control=PATH)
    return d


def drain(d):
    s = d.connect()
    echo(s)
    d.signal(signal.SIGTERM)
    d.wait_log("draining for at most")
    return s


def test_a_successor_starts():
    with draining() as old:
        s = drain(old)
        with Daemon(listener("echo", plugin("echo")),
                    control=old.path(PATH)) as new:
            new.path = lambda name, path=new.path: (
                old.path(PATH) if name == PATH else path(name))
            equal(new.ask("status")["pid"], new.pid)
            echo(s)                 # the old connection goes on
            # Until it has stopped, the old daemon answers at another path.
            aside = "%s.%d" % (old.path(PATH), old.pid)
            said = run_program([SLUICECTL, "-s", aside, "status"])
            check(said.stdout.startswith(
                "sluiced is stopping: it accepts no connections any more, "
                "and 1 open connection may finish"), said)
            check("stopping" not in new.sluicectl("status").stdout)
            # At its end it removes only its own socket.
            s.close()
            old.wait_exit(0)
            check(not os.path.lexists(aside), "it left its socket")
            equal(new.ask("status")["pid"], new.pid)
            del new.path
            equal(new.log_lines("control socket"), [])


def test_quick_stop():
    with draining() as d:
        s = drain(d)
        check(not os.path.lexists(d.path(PATH)), "it keeps the path")
        d.signal(signal.SIGQUIT)
        d.wait_exit(0)
        s.close()
        equal([name for name in os.listdir(d.directory)
               if name.startswith(PATH)], [])


def test_a_name_that_would_be_too_long():
    """The old socket cannot be renamed, so it is removed."""
    d = draining()
    room = 107 - len(d.directory) - 1
    d.settings["control"] = "c" * room
    d.write_config()
    with d:
        path = d.path("c" * room)
        check(os.path.lexists(path))
        s = drain(d)
        check(not os.path.lexists(path), "it keeps the path")
        s.close()
        d.wait_exit(0)


main()

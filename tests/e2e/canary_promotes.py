"""With a canary, some workers try a new generation before the others do."""

import os
import signal
import time

from sluice_test import (Daemon, check, equal, free_address, listener, main,
                         receive_line, test_plugin, wait_until)

CANARY = {"workers": 1, "time": "1s"}


def stamp(version="v1", name="stamp", address="127.0.0.1:0", **settings):
    defines = {} if version == "v1" else {"VERSION": version}
    return listener(name, test_plugin("stamp", **defines), address, **settings)


def ask(s, line="x"):
    s.sendall(line.encode() + b"\n")
    return receive_line(s).split()[0]


def versions(d, count=60, name="stamp"):
    """The versions that answer new connections."""
    found = set()
    for _ in range(count):
        s = d.connect(name)
        found.add(ask(s))
        s.close()
    return found


def change(d, *listeners):
    """Change the listeners and reload until the canary runs.  Returns the mark
    of the log before that."""
    d.listeners[:] = listeners
    d.write_config()
    since = d.mark()
    d.signal(signal.SIGHUP)
    return since


def test_promoted():
    with Daemon(stamp(), workers=3, canary=CANARY) as d:
        clients = [d.connect() for _ in range(60)]
        equal({ask(s) for s in clients}, {"v1"})
        since = change(d, stamp("v2"))
        d.wait_log("canary: generation 2 serves in worker 1 for 1 s$", since)
        equal(versions(d), {"v1", "v2"}, "during the canary")
        equal({ask(s) for s in clients}, {"v1", "v2"})
        d.wait_log("canary: generation 2 has passed its trial of 1 s; the "
                   "other workers follow$", since)
        d.wait_log("generation 2 ready: 1 listener, 3 workers$", since)
        equal(versions(d), {"v2"})
        equal({ask(s) for s in clients}, {"v2"})
        equal(d.log_lines("was killed"), [])


def test_several_workers_but_never_all():
    with Daemon(stamp(), workers=3,
                canary={"workers": 256, "time": "300ms"}) as d:
        since = change(d, stamp("v2"))
        d.wait_log("canary: generation 2 serves in workers 1 to 2 for 300 ms",
                   since)
        d.wait_log("generation 2 ready", since)
        equal(versions(d), {"v2"})


def test_no_canary_with_one_worker():
    with Daemon(stamp(), workers=1, canary=CANARY) as d:
        since = change(d, stamp("v2"))
        d.wait_log("no canary for generation 2: there is only one worker",
                   since)
        d.wait_log("generation 2 ready", since)


def test_a_new_listener_is_served_by_the_canary_only():
    new = free_address()
    with Daemon(stamp(), workers=3, canary=CANARY) as d:
        since = change(d, stamp("v2"), stamp("v3", "new", new))
        d.wait_log("canary: generation 2 serves", since)
        for _ in range(30):
            equal(ask(d.connect(address=new)), "v3")
        d.wait_log("generation 2 ready: 2 listeners", since)
        for _ in range(30):
            equal(ask(d.connect(address=new)), "v3")


def test_no_canary_when_an_address_goes():
    """The canary would not accept the clients that the kernel gives to it."""
    with Daemon(stamp(), stamp(name="goes"), workers=3, canary=CANARY) as d:
        since = change(d, stamp("v2"))
        d.wait_log("no canary for generation 2: it takes addresses away "
                   "from workers", since)
        d.wait_log("generation 2 ready", since)


def test_another_worker_dies_meanwhile():
    with Daemon(stamp(), workers=3, canary=CANARY, pairs=False) as d:
        since = change(d, stamp("v2"))
        d.wait_log("canary: generation 2 serves", since)
        pid = d.workers()[2]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: d.workers()[2] != pid, "the next")
        equal(versions(d, 100), {"v1", "v2"})
        d.wait_log("generation 2 ready", since)
        equal(versions(d), {"v2"})


def test_further_sighups_wait():
    with Daemon(stamp(), workers=2, canary=CANARY) as d:
        since = change(d, stamp("v2"))
        d.wait_log("canary: generation 2 serves", since)
        change(d, stamp("v3"))
        d.signal(signal.SIGHUP)
        d.wait_log("generation 2 ready", since)
        d.wait_log("canary: generation 3 serves", since)
        d.wait_log("generation 3 ready", since)
        equal(versions(d), {"v3"})
        equal(len(d.log_lines("reloading", since)), 2)


def test_sigterm_in_a_canary():
    with Daemon(stamp(), workers=3, canary={"workers": 1, "time": "60s"}) as d:
        since = change(d, stamp("v2"))
        d.wait_log("canary: generation 2 serves", since)
        equal(versions(d), {"v1", "v2"})
        begun = time.monotonic()
        d.stop()
        check(time.monotonic() - begun < 10, "it took long")


main()

"""A worker whose memory exceeds limits.memory is replaced, and nobody is cut."""

import re

from sluice_test import (Daemon, check, equal, listener, main, plugin,
                         receive, test_plugin, wait_until)

MIB = 1 << 20


def room(at, name="room"):
    return listener(name, test_plugin("crasher"),
                    options={"at": at, "how": "leak"})


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", pairs=False, **settings)


def limit(d, more):
    """So much above what the largest worker has now."""
    most = max(w["memory"] for w in d.ask("status")["workers"])
    d.settings["limits"] = {"memory": most + more}
    d.write_config()
    d.reload_ready()


def is_served(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    return s


def recycled(d):
    return [w["memory_recycled"] for w in d.ask("status")["workers"]]


def test_a_leak_ends_with_its_process():
    with daemon(room("data"), listener("echo", plugin("echo")),
                workers=2) as d:
        limit(d, 16 * MIB)
        equal(recycled(d), [0, 0])
        old = d.ask("status")["workers"]
        safe = [is_served(d.connect("echo")) for _ in range(8)]
        leaking = is_served(d.connect("room"))
        match = d.wait_log(r"worker (\d): recycling it \(it has \d+\.\d MiB, "
                           r"and limits.memory is \d+")
        number = int(match.group(1)) - 1
        wait_until(lambda: recycled(d)[number] == 1, "the other process")
        equal(sum(recycled(d)), 1)
        now = d.ask("status")["workers"]
        check(now[number]["pid"] != old[number]["pid"], now)
        equal(now[1 - number]["pid"], old[1 - number]["pid"])
        for s in safe:
            is_served(s)
        is_served(leaking)
        said = d.sluicectl("metrics").stdout
        check(re.search(r'sluice_worker_memory_recycles_total{worker="%d",'
                        r'group="default"} 1\n' % (number + 1), said), said)
        is_served(d.connect("echo"))


def test_one_that_needs_so_much_is_not_replaced_all_the_time():
    with daemon(room("never"), workers=1) as d:
        d.listeners.append(room("start", "hall"))
        limit(d, 16 * MIB)
        wait_until(lambda: recycled(d) == [1], "the other process")
        d.wait_log(r"worker 1 has \d+\.\d MiB, which is above limits.memory, "
                   r"soon after its process was replaced; the next one comes "
                   r"60 s after the last")
        is_served(d.connect("room"))
        equal(recycled(d), [1])
        # The limit may be raised at any time.
        limit(d, 16 * MIB)
        is_served(d.connect("room"))


def test_without_a_limit_it_grows():
    with daemon(room("data"), workers=1) as d:
        s = d.connect("room")
        before = d.ask("status")["workers"][0]
        is_served(s)
        now = d.ask("status")["workers"][0]
        check(now["memory"] > before["memory"] + 30 * MIB, before, now)
        equal((now["pid"], now["memory_recycled"]), (before["pid"], 0))


main()

"""Code that crashes after a first start: the other listeners are served."""

import re

from sluice_test import (Daemon, check, connector, equal, expect_gone,
                         listener, main, plugin, receive, test_plugin,
                         wait_until)
from harness.upstream import Upstream


def room(at, name="room", **settings):
    return listener(name, test_plugin("crasher"),
                    options={"at": at, "how": "segv"}, **settings)


def echo(name="echo", **settings):
    return listener(name, plugin("echo"), **settings)


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", pairs=False, **settings)


def is_served(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    return s


def crash(d, worker=r"\d+"):
    since = d.mark()
    s = d.connect("room")
    s.sendall(b"x")
    expect_gone(s)
    d.wait_log(r"worker %s \(pid \d+\) started" % worker, since)


def row(d, name="room", kind="listeners"):
    return next(one for one in d.ask("status")[kind] if one["name"] == name)


def test_after_three_crashes_it_is_set_aside():
    for at in "open", "data":
        with daemon(room(at), echo(), workers=2) as d:
            for _ in range(3):
                equal(row(d)["set_aside"], False)
                crash(d)
            line = d.wait_log("room is set aside").string
            check(re.search(r"sluice.conf:\d+: listener room is set aside: "
                            r"generation 1 crashed 3 times in its first 30 s, "
                            r"the last time in %s of plugin \S*crasher.so, and "
                            r"there is no generation to go back to; the others "
                            r"are served; mend it, and reload" % at, line),
                  line)
            wait_until(lambda: d.refuses("127.0.0.1:%d" % d.port("room")),
                       "the address to be closed")
            safe = [is_served(d.connect("echo")) for _ in range(8)]
            equal((row(d)["set_aside"], row(d)["addresses"]), (True, []))
            equal(row(d, "echo")["set_aside"], False)
            said = d.sluicectl("status").stdout
            check(re.search(r"^room +\d+ .*\(set aside\)", said, re.M), said)
            check("room: set aside, since its plugin crasher crashed; mend "
                  "it, and reload to serve it\n" in said, said)
            said = d.sluicectl("metrics").stdout
            check('sluice_listener_set_aside{listener="room",plugin="crasher"}'
                  ' 1\n' in said, said)
            # Drains make new generations: it stays so.
            equal(d.sluicectl("drain", "echo").returncode, 0)
            equal(d.sluicectl("undrain", "echo").returncode, 0)
            equal(row(d)["set_aside"], True)
            # A reload serves it again, mended or not.
            d.listeners[0] = room("never")
            d.write_config()
            d.reload_ready()
            is_served(d.connect("room", index=-1))  # on another port
            equal(row(d)["set_aside"], False)
            for s in safe:
                is_served(s)


def test_a_second_one_is_set_aside_too():
    with daemon(room("data"), room("data", "hall"), echo()) as d:
        for _ in range(3):
            crash(d)
        d.wait_log("listener room is set aside")
        for _ in range(3):
            since = d.mark()
            s = d.connect("hall")
            s.sendall(b"x")
            expect_gone(s)
            d.wait_log(r"worker 1 \(pid \d+\) started", since)
        d.wait_log("listener hall is set aside")
        is_served(d.connect("echo"))


def test_with_its_own_workers_it_is_tried_again_and_again():
    with daemon(room("data", workers=1), echo(), workers=1) as d:
        safe = is_served(d.connect("echo"))
        for _ in range(4):
            crash(d, 2)
        d.wait_log(r"the last time in data of plugin \S*crasher.so \(listener "
                   "room\\); there is no generation to go back to, and nothing "
                   "else is served by its workers: they are started again "
                   "after growing pauses")
        d.wait_log(r"worker 2 .* starting it again in 400 ms|"
                   r"worker 2 .* starting it again in 200 ms")
        equal(row(d)["set_aside"], False)
        is_served(safe)


def test_what_crashes_in_start_is_set_aside_at_once():
    with daemon(room("start"), echo(), echo("other", workers=1),
                workers=2) as d:
        equal(len(d.log_lines("listener room is set aside: start of plugin ")),
              1)
        d.wait_log(r"generation 1 ready: 3 listeners, 3 workers, set aside: 1$")
        d.wait_log("listener room is set aside, since plugin")
        equal(row(d)["set_aside"], True)
        safe = [is_served(d.connect(name)) for name in ("echo", "other")]
        d.listeners[0] = room("never")
        d.write_config()
        equal(d.reload_ready(), 2)
        is_served(d.connect("room"))
        for s in safe:
            is_served(s)


def test_two_of_them():
    with daemon(room("start"), echo(), room("start", "hall")) as d:
        for name in "room", "hall":
            d.wait_log("listener %s is set aside: start of plugin" % name)
        d.wait_log("generation 1 ready: 3 listeners, 1 worker, set aside: 2$")
        is_served(d.connect("echo"))


def test_own_workers_crash_in_start():
    with daemon(room("start", workers=1), echo(), workers=1) as d:
        d.wait_log("listener room is not served yet: start of plugin .*; the "
                   "others are served, and its workers are started again after "
                   "growing pauses")
        d.wait_log(r"worker 2 .* starting it again in 200 ms$")
        check("callback start of plugin crasher" in "\n".join(d.messages()))
        is_served(d.connect("echo"))
        equal([w["restarts"] > 0 for w in d.ask("status")["workers"]],
              [False, True])
        d.listeners[0] = room("never", workers=1)
        d.write_config()
        equal(d.reload_ready(), 2)
        is_served(d.connect("room"))


def test_a_connector():
    with Upstream() as peer, daemon(
            echo(), connectors=[connector("feed", test_plugin("crasher"),
                                          peer.address,
                                          options={"at": "start",
                                                   "how": "segv"})]) as d:
        d.wait_log("connector feed is set aside: start of plugin")
        is_served(d.connect("echo"))
        equal(row(d, "feed", "connectors")["set_aside"], True)
        check("feed: set aside," in d.sluicectl("status").stdout)


def test_with_nothing_else_there_is_no_start():
    with Daemon(room("start"), start=False) as d:
        d.start(wait=False)
        d.wait_log("could not start: 1 problem")
        d.wait_exit(1)


main()

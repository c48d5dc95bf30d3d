"""on_reload, or state_version without it, decides what connections do."""

from sluice_test import (Daemon, check, compile_plugin, equal, expect_end,
                         listener, main, pattern, plugin, receive,
                         receive_line, test_plugin)


def stamp(d, version, **defines):
    return compile_plugin("stamp", d.path("stamp.so"), VERSION=version,
                          **defines)


def daemon(on_reload=None, **settings):
    d = Daemon(listener("stamp", "./stamp.so"), start=False, **settings)
    if on_reload:
        d.listener("stamp")["on_reload"] = on_reload
        d.write_config()
    stamp(d, "v1")
    d.wants_start = True
    return d


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s)


def test_drain():
    with daemon("drain") as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        stamp(d, "v2")
        d.reload_ready()
        new = d.connect()
        equal(ask(old), "v1 2 x")
        equal(ask(new), "v2 1 x")
        stamp(d, "v3")
        d.reload_ready()
        newer = d.connect()
        equal([ask(old), ask(new), ask(newer)],
              ["v1 3 x", "v2 2 x", "v3 1 x"])


def test_close():
    with daemon("close") as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        stamp(d, "v2")
        d.reload_ready()
        expect_end(old)
        d.wait_log("closed why=reload")
        equal(ask(d.connect()), "v2 1 x")


def test_swap_although_the_state_differs():
    with daemon("swap") as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        stamp(d, "v2", STATE_VERSION=2)
        d.reload_ready()
        equal(ask(old), "v2 2 x")


def test_equal_state_version_swaps():
    with daemon() as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        stamp(d, "v2")
        d.reload_ready()
        equal(ask(old), "v2 2 x")


def test_other_state_version_drains():
    with daemon() as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        stamp(d, "v2", STATE_VERSION=2)
        d.reload_ready()
        equal(ask(old), "v1 2 x")
        equal(ask(d.connect()), "v2 1 x")


def test_close_delivers_what_was_written():
    with Daemon(listener("c", test_plugin("command"), on_reload="close",
                         limits={"write_buffer": "8MiB"})) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"write 1000000\n")
        d.wait_trace("call", 1)
        d.listener("c")["options"] = {"at_close": "got"}
        d.write_config()
        d.reload_ready()
        check(receive(s, 1000000) == pattern(1000000))
        equal(s.recv(1), b"")
        s.close()
        d.wait_trace("close 11", 1)


def test_another_plugin_drains():
    """Connections never move to another plugin, whatever its state_version."""
    with daemon() as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        d.listener("stamp")["plugin"] = plugin("lines")
        d.write_config()
        d.reload_ready()
        equal(ask(old), "v1 2 x")
        equal(ask(d.connect()), "1: 1")


def test_migrate():
    """migrate comes once per connection, before its first event in new code."""
    with daemon() as d:
        comes, stays, quiet = d.connect(), d.connect(), d.connect()
        for s, count in ((comes, 3), (stays, 1), (quiet, 2)):
            for i in range(count):
                equal(ask(s), "v1 %d x" % (i + 1))
        stamp(d, "v2", STATE_VERSION=2, MIGRATE=1000)
        d.reload_ready()
        equal(ask(comes), "v2 1004 x")
        equal(ask(comes), "v2 1005 x")
        equal(ask(stays), "v1 2 x")     # it refused, and is not asked again
        equal(ask(stays), "v1 3 x")
        equal(ask(quiet), "v2 1003 x")
        equal(ask(d.connect()), "v2 1 x")
        for count in (1, 2, 3):
            equal(len(d.log_lines("migrate from 1 after %d$" % count)), 1)


def test_unchanged_service_is_not_touched():
    """An unchanged service keeps its connections, even with "close"."""
    with daemon("close") as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        d.reload_ready()
        d.reload_ready()
        equal(ask(old), "v1 2 x")
        # Changed options change the service.
        d.listener("stamp")["options"] = {"greeting": "!"}
        d.write_config()
        d.reload_ready()
        expect_end(old)
        equal(ask(d.connect()), "v1! 1 x")


def test_life_of_a_service():
    """start, reload and stop are called once for each state."""
    with Daemon(listener("s", "./service.so"), start=False) as d:
        def build(version, **defines):
            compile_plugin("service", d.path("service.so"), VERSION=version,
                           **defines)

        def said(since=0):
            return [m[m.index("service ") + 8:] for m in
                    d.messages(r"service (start|reload|stop|shares) ", since)]

        build("v1")
        d.start()
        equal(said(), ["start v1 state 1"])
        s = d.connect()

        since = d.mark()
        d.reload_ready()                # unchanged: nothing happens
        equal(said(since), [])

        since = d.mark()
        build("v2")
        d.reload_ready()
        d.wait_log("service stop v1 state 1", since)
        equal(said(since), ["reload v2 state 1", "stop v1 state 1"])

        since = d.mark()
        build("v3")
        d.listener("s")["options"] = {"share": True}
        d.write_config()
        d.reload_ready()                # v3 takes over v2's state
        s.sendall(b"x")
        equal(s.recv(1), b"x")
        equal(said(since), ["shares v3"])

        since = d.mark()
        build("v4", WITHOUT_RELOAD=True)
        d.reload_ready()                # by default, so does v4
        s.sendall(b"x")
        equal(s.recv(1), b"x")
        equal(said(since), [])

        since = d.mark()
        build("v5", WITHOUT_RELOAD=True, STATE_VERSION=2)
        d.reload_ready()                # another state version: `start`
        equal(said(since), ["start v5 state 1"])
        s.close()                       # the last connection on v4
        d.wait_log("service stop v4 state 1", since)

        since = d.mark()
        d.stop()
        equal(said(since), ["stop v5 state 1"])


main()

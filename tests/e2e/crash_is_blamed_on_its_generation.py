"""A crash counts against the generation whose code ran, and a refused reload
does not affect the next one."""

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive, test_plugin)


def room(at, how="sleep", name="room", **defines):
    return listener(name, test_plugin("crasher", **defines),
                    options={"at": at, "how": how, "ms": 60000})


def answers(d, name):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def test_a_refused_reload_does_not_affect_the_next():
    """Workers that were late for it delay the next reload, but do not make it
    fail, and their end is not a crash of the code that they serve."""
    names = ("a", "b", "c")
    with Daemon(*[room("never", name=name) for name in names], workers=3,
                watchdog=0, pairs=False) as d:
        d.listeners[:] = [room("end", name=name) for name in names]
        d.write_config()
        equal(d.reload_ready(), 2)
        # Another state, so that `start` is called.
        d.listeners[:] = [room("start", name=name, STATE=2) for name in names]
        d.write_config()
        since = d.mark()
        text = d.reload_refused()
        check("did not answer within 5 s" in text, text)
        d.listeners[:] = [room("timeout", name=name) for name in names]
        d.write_config()
        equal(d.reload_ready(), 3)
        equal(len(d.log_lines("was stuck in callback start and was aborted",
                              since)), 3)
        check(not d.log_lines("going back to", since), "a rollback")
        for name in names:
            answers(d, name)


def test_a_worker_stuck_before_a_reload_has_crashed_in_old_code():
    with Daemon(room("data"), control="control.sock", watchdog="1s",
                pairs=False) as d:
        s = d.connect()
        s.sendall(b"x")
        d.wait_log("has been running for")
        d.listeners[:] = [room("never")]
        d.write_config()
        d.reload(wait=False)
        expect_gone(s)
        d.wait_log("reload refused|generation 2 ready")
        equal([crash["generation"] for crash in d.ask("crashes")["crashes"]],
              [1])


main()

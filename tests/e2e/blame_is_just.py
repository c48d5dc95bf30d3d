"""A worker's death is laid at the door of the code that ran, and what was
called off has no part in what comes after it."""

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive, test_plugin)


def room(at, how="sleep", name="room", **defines):
    return listener(name, test_plugin("crasher", **defines),
                    options={"at": at, "how": how, "ms": 60000})


def answers(d, name):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def test_what_was_called_off_is_forgotten():
    """Its late workers hold up the next reload, but do not spoil it, and
    their end is no crash of what they serve."""
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


def test_stuck_before_it_heard_of_the_reload():
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

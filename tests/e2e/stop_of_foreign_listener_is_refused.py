"""A plugin can stop only the listeners that it serves.

The plugin `liar` asks the master itself, without the worker's code, as any
code in the worker can.
"""

from sluice_test import (Daemon, check, equal, free_address, listener, main,
                         plugin, receive, receive_line, test_plugin,
                         wait_until)


def ask(s, what):
    s.sendall(what.encode() + b"\n")
    return receive_line(s)


def echoes(d, name):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x", name)
    s.close()


def test_of_another_plugin():
    with Daemon(listener("liar", test_plugin("liar")),
                listener("other", plugin("echo")), workers=2,
                pairs=False) as d:
        s = d.connect("liar")
        since = d.mark()
        equal(ask(s, "stop other"), "ok")
        d.wait_log(r"worker \d: plugin .* may not stop listener other, which "
                   r"it does not serve", since)
        equal(ask(s, "stop other liar"), "ok")
        equal(d.reload_ready(), 2)
        equal(d.log_lines("was stopped by its plugin", since), [])
        echoes(d, "other")


def test_of_another_worker():
    """A listener that one worker alone serves cannot be stopped by another."""
    pinned = test_plugin("command", FLAGS=0)
    with Daemon(listener("liar", test_plugin("liar")),
                listener("one", pinned), listener("two", pinned),
                workers=2, pairs=False) as d:
        since = d.mark()
        # Each worker serves one of the two; `s` is in one of the workers.
        s = d.connect("liar")
        for name in ("one", "two"):
            equal(ask(s, "stop %s command" % name), "ok")
        stopped = d.wait_log(r"listener (one|two) was stopped by its plugin",
                             since)
        refused = d.wait_log(r"may not stop listener (one|two), ", since)
        check(stopped.group(1) != refused.group(1))
        s = d.connect(refused.group(1))
        s.sendall(b"say x\n")
        equal(receive_line(s), "x")


def test_its_own():
    with Daemon(listener("c", test_plugin("command"), free_address()),
                listener("other", plugin("echo")), workers=2,
                pairs=False) as d:
        address = d.addresses("c")[0]
        s = d.connect("c")
        s.sendall(b"stop 0\n")
        d.wait_trace("call stop = 0")
        wait_until(lambda: d.refuses(address), "the listener to close")
        echoes(d, "other")


main()

"""A worker that breaks the rules of its channel is killed; no other is."""

import signal
import time

from sluice_test import (SLOW, Daemon, Failure, check, equal, listener, main,
                         receive_line, test_plugin, wait_until)

# Types are those of daemon/ipc/msg.h: 0, three that only the master may send,
# answers without a question, and one that does not exist.
LIES = ["garbage", "half", "type 0", "type 1", "type 2", "type 5", "type 12",
        "type 13", "type 14", "type 99", "length", "endless", "level",
        "unfinished", "silence"]


def ask(s, what):
    s.sendall(what.encode() + b"\n")
    try:
        return receive_line(s)
    except (OSError, Failure):
        return None             # it is being killed


def test_lies():
    for what in LIES:
        with Daemon(listener("liar", test_plugin("liar")), workers=2,
                    pairs=False) as d:
            since = d.mark()
            ask(d.connect(), what)
            # "silence" may also find that it has lost the master, and leave.
            d.wait_log(r"worker \d \(pid \d+\) .* (and was killed|its "
                       "connections are lost)", since)
            d.wait_log(r"worker \d \(pid \d+\) started", since)
            equal(d.reload_ready(), 2)
            for _ in range(10):
                equal(ask(d.connect(), "nothing"), "ok", "after " + what)


def test_flood():
    """A flood of messages does not fill the log or hold up the master."""
    with Daemon(listener("liar", test_plugin("liar")), workers=2) as d:
        since = d.mark()
        s = d.connect()
        s.sendall(b"flood\n")
        equal(receive_line(s), "ok")
        equal(d.reload_ready(), 2)
        lines = len(d.log_lines("flood", since))
        check(0 < lines < 2000, lines, "lines")


def test_bells():
    """A bell without a message does no harm."""
    with Daemon(listener("liar", test_plugin("liar")), workers=2) as d:
        s = d.connect()
        equal(ask(s, "bells"), "ok")
        equal(ask(s, "nothing"), "ok")
        equal(d.reload_ready(), 2)


def test_floods_of_requests():
    """A hundred thousand requests to stop or reload do no harm."""
    for text in ("stop", "reload"):
        with Daemon(listener("liar", test_plugin("liar")), workers=2,
                    pairs=False) as d:
            since = d.mark()
            s = d.connect()
            s.sendall(b"flood %s\n" % text.encode())
            try:
                equal(receive_line(s), "ok")
            except (OSError, Failure):
                pass            # the worker may be killed for it
            for _ in range(10):
                equal(ask(d.connect(), "nothing"), "ok", "during " + text)
            d.reload()
            lines = len(d.log_lines("", since))
            check(lines < 2000, lines, "lines, flood of", text)


def test_babble():
    """After a thousand random messages, the next worker serves as well."""
    with Daemon(listener("liar", test_plugin("liar")), workers=2,
                pairs=False) as d:
        for what in ["babble %d" % i for i in range(1, 6)] + \
                ["scribble %d" % i for i in range(1, 6)]:
            since = d.mark()
            ask(d.connect(), what)
            d.wait_log(r"worker \d \(pid \d+\) .* and was killed", since)
            d.wait_log(r"worker \d \(pid \d+\) started", since)
            equal(ask(d.connect(), "nothing"), "ok", "after " + what)
        wait_until(lambda: isinstance(d.reload(), int), "a reload")


def test_keys_that_cannot_be_taken():
    """They are sent again until there is a descriptor for them."""
    with Daemon(listener("liar", test_plugin("liar")), launcher=[
            "sh", "-c", 'ulimit -n 100; exec "$@"', "sh"]) as d:
        s = d.connect()
        equal(ask(s, "no tickets"), "ok")
        lost = "new keys for session tickets were lost, .*: this process has"
        d.wait_log(lost)
        equal(ask(s, "release"), "ok")
        d.wait_log("new keys for session tickets have arrived")
        equal(len(d.log_lines(lost)), 1)


def test_deaf():
    """A worker that never reads its channel is replaced."""
    with Daemon(listener("liar", test_plugin("liar")), workers=2,
                pairs=False) as d:
        since = d.mark()
        ask(d.connect(), "deaf")
        begun = time.monotonic()
        said = d.reload_refused()
        check(time.monotonic() - begun < 8 * SLOW, "it held up the master")
        check("did not answer within 5 s" in said, said)
        d.wait_log(r"worker \d \(pid \d+\) started", since)
        wait_until(lambda: isinstance(d.reload(), int), "a reload")
        for _ in range(10):
            equal(ask(d.connect(), "nothing"), "ok", "after it")


def test_silence_while_stopping():
    """A worker that does not read its channel does not hold up a stop."""
    with Daemon(listener("liar", test_plugin("liar")), workers=2,
                drain_timeout="1s", pairs=False) as d:
        s = d.connect()
        ask(s, "silence")
        d.signal(signal.SIGTERM)
        s.close()
        d.wait_exit()


main()

"""Callbacks come one at a time, and in the promised order.

The plugin logs a line with BAD when a callback nests, comes twice or after
close, or when a drain comes without a short write before it.  The harness
checks the order.
"""

import random
import socket

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive, receive_line, reset, test_plugin)


def names(d, connection):
    return [event.split()[0] for event in d.trace(connection)]


def test_ordinary_life():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"write 100\n")
        receive(s, 100)
        s.sendall(b"at end close\n")
        s.shutdown(socket.SHUT_WR)
        expect_gone(s)
        d.wait_trace("close", 1)
        equal(names(d, 1), ["open", "data", "data", "end", "close"])


def test_what_a_call_causes_comes_after_the_callback():
    """After sl_close() in `data`, `data` returns, and only `close` follows."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"fill\n")
        s.sendall(b"terminate\nsay more\n")
        expect_gone(s)
        d.wait_trace("close", 1)
        check("drain" not in names(d, 1)[-2:], names(d, 1))


def test_resume_inside_a_callback_does_not_nest():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"at timer resume\ntimer 1 20\npause\nsay later\n")
        equal(receive_line(s), "later")
        s.sendall(b"at timer resume\ntimer 1 1\npause\nresume\nsay x\n")
        equal(receive_line(s), "x")


def test_drain_only_after_a_short_write():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"send 500000\n")  # queued, but no write was short
        receive(s, 500000)
        s.sendall(b"say done\n")
        equal(receive_line(s), "done")
        check("drain" not in names(d, 1), names(d, 1))
        s.sendall(b"fill\n")
        _, said = d.wait_trace("call fill", 1)
        receive(s, int(said.split()[-1]))
        d.wait_trace("drain", 1)
        s.sendall(b"say done\n")
        equal(receive_line(s), "done")
        equal(names(d, 1).count("drain"), 1, "drains")


def test_error_comes_before_close():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"say x\n")
        receive_line(s)
        reset(s)
        d.wait_trace("close", 1)
        equal(names(d, 1)[-2:], ["error", "close"])


def test_random_walks():
    """The order holds for connections that get random commands."""
    random.seed(17)
    commands = ["write 100", "write 100000", "writes 5 7", "writev 3 50",
                "send 1000", "flush", "pause", "resume", "timeout 50",
                "timer 1 10", "at timer resume",
                "at timer write 10", "at drain write 500", "at end close",
                "at end write 100", "at close write 5", "say hi", "facts",
                "fill", "tick 5 3", "setsockopt", "stream 100000",
                "service-timer 5 5"]
    endings = ["close", "terminate", "end 10", "shutw", "shutr", "fail",
               "shutrw", "end 0", "say bye"]
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"linger": "200ms", "write": "500ms",
                                   "idle": "1s"}), workers=2) as d:
        count = 150
        for i in range(count):
            s = d.connect()
            script = ["at timeout close"]
            script += [random.choice(commands)
                       for _ in range(random.randrange(1, 10))]
            script.append(random.choice(endings))
            script += [random.choice(commands + endings)
                       for _ in range(random.randrange(0, 4))]
            try:
                s.sendall(("\n".join(script) + "\n").encode())
                way = random.randrange(4)
                if way == 0:
                    reset(s)
                elif way == 1:
                    s.shutdown(socket.SHUT_WR)
                elif way == 2:
                    s.close()
            except OSError:
                pass  # the daemon has closed it already
        for s in d.clients:
            s.close()
        d.wait_log(r"trace \d+ close ", count=count)


main()

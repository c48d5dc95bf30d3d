"""sl_pause() stops `data` and `end`; sl_resume() brings what was kept."""

import socket

from sluice_test import (Daemon, SANITIZED, check, equal, listener, main,
                         memory, receive_all, receive_line,
                         send_until_stalled, test_plugin)


def names(d, connection=1):
    return [event.split()[0] for event in d.trace(connection)]


def test_no_data_while_paused():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s, clock = d.connect(), d.connect()
        s.sendall(b"at timer resume\ntimer 1 300\npause\n")
        d.wait_trace("call pause", 1)
        s.sendall(b"say after\n")
        clock.sendall(b"tick 20 5\n")
        for _ in range(5):
            receive_line(clock)
        equal(names(d), ["open", "data"])
        equal(receive_line(s), "after")
        equal(names(d), ["open", "data", "timer", "data"])


def test_no_end_while_paused():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s, clock = d.connect(), d.connect()
        s.sendall(b"at end close\nat timer resume\ntimer 1 200\npause\n")
        s.shutdown(socket.SHUT_WR)
        d.wait_trace("call pause", 1)
        clock.sendall(b"tick 20 5\n")
        for _ in range(5):
            receive_line(clock)
        equal(names(d), ["open", "data"])
        d.wait_trace("close", 1)
        equal(names(d), ["open", "data", "timer", "end", "close"])


def test_paused_connection_is_bounded():
    with Daemon(listener("c", test_plugin("command")),
                drain_timeout="100ms") as d:
        worker = d.workers()[0]
        s = d.connect()
        s.sendall(b"at timer resume\nsay go\n")
        receive_line(s)
        before = memory(worker)
        s.sendall(b"pause\n")
        d.wait_trace("call pause", 1)
        sent = send_until_stalled(s, b"x" * (64 << 20))
        check(sent < 64 << 20, "the daemon took it all")
        grown = memory(worker) - before
        check(grown < (16 if SANITIZED else 4) << 20, "grew by", grown)
        d.stop(close_clients=False)


def test_output_goes_on_while_paused():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"at timer resume\ntimer 1 500\ntick 20 5\npause\n")
        for _ in range(5):
            equal(receive_line(s), "tick")


def test_pause_in_open():
    with Daemon(listener("c", test_plugin("command"),
                         options={"at_open": "pause"}),
                drain_timeout="100ms") as d:
        s = d.connect()
        s.sendall(b"say never\n")
        d.wait_trace("call pause", 1)
        s2 = d.connect()
        d.wait_trace("open", 2)
        equal(names(d), ["open"])
        s2.close()
        s.close()
        # A paused connection need not notice that its peer has closed.
        d.stop(close_clients=False)
    check("close" in names(d), names(d))


def test_pause_and_resume_again_and_again():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        script = b""
        for i in range(20):
            script += b"at timer resume\ntimer 1 1\npause\nsay %d\n" % i
        s.sendall(script + b"end\n")
        equal(receive_all(s), b"".join(b"%d\n" % i for i in range(20)))


main()

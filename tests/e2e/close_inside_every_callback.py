"""A plugin may end its connection from inside any of its callbacks."""

import socket

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         pattern, receive, receive_line, reset, test_plugin)

ENDINGS = ("close", "terminate", "end", "shutw", "shutrw")


def each_ending(prepare, options=None, **settings):
    """Call prepare with a daemon and a client, for each way to end."""
    for ending in ENDINGS:
        chosen = dict(options or {})
        for name, value in chosen.items():
            chosen[name] = value.replace("ENDING", ending)
        settings.setdefault("timeouts", {})
        settings["timeouts"].setdefault("linger", "300ms")
        with Daemon(listener("c", test_plugin("command"), options=chosen,
                             **settings)) as d:
            s = d.connect(may_reset="at_open" in chosen)
            prepare(d, s, ending)
            s.close()
            d.wait_trace("close", 1)
            if not chosen:
                other = d.connect()
                other.sendall(b"say alive\n")
                equal(receive_line(other), "alive")


def test_open():
    each_ending(lambda d, s, ending: expect_gone(s),
                {"at_open": "ENDING"})


def test_open_with_output():
    for ending, said in (("end 5", b"01234"), ("say bye", b"bye\n")):
        with Daemon(listener("c", test_plugin("command"),
                             options={"at_open": ending})) as d:
            s = d.connect()
            equal(receive(s, len(said)), said)


def test_data():
    def prepare(d, s, ending):
        s.sendall(b"%s\n" % ending.encode())
        expect_gone(s)
    each_ending(prepare)


def test_data_and_more_calls_behind_it():
    def prepare(d, s, ending):
        s.sendall(b"write 10\n%s\nwrite 5\nsend 5\nflush\n"
                  b"%s\nclose\nend\nterminate\n"
                  % (ending.encode(), ending.encode()))
        expect_gone(s)
    each_ending(prepare)


def test_drain():
    def prepare(d, s, ending):
        s.sendall(b"at drain %s\nfill\n" % ending.encode())
        expect_gone(s)
    each_ending(prepare)


def test_end():
    def prepare(d, s, ending):
        s.sendall(b"at end %s\n" % ending.encode())
        s.shutdown(socket.SHUT_WR)
        expect_gone(s)
    each_ending(prepare)


def test_timeout():
    def prepare(d, s, ending):
        s.sendall(b"at timeout %s\ntimeout 30\n" % ending.encode())
        expect_gone(s)
    each_ending(prepare)


def test_timer():
    def prepare(d, s, ending):
        s.sendall(b"at timer %s\ntimer 1 30\n" % ending.encode())
        expect_gone(s)
    each_ending(prepare)


def test_error():
    def prepare(d, s, ending):
        s.sendall(b"at error %s\nsay x\n" % ending.encode())
        receive_line(s)
        reset(s)
        d.wait_trace("close", 1)
    each_ending(prepare)


def test_close():
    def prepare(d, s, ending):
        s.sendall(b"at close %s\nclose\n" % ending.encode())
        expect_gone(s)
    each_ending(prepare)
    each_ending(lambda d, s, ending: reset(s), {"at_close": "ENDING"})


def test_refused_open_has_no_close():
    with Daemon(listener("c", test_plugin("command"),
                         options={"at_open": "fail"})) as d:
        s = d.connect()
        expect_gone(s)
        d.wait_trace("refuse", 1)
    check(not d.log_lines("trace 1 (close|data|error)"))


def test_negative_data_closes():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"write 10\nfail\n")
        expect_gone(s)
        d.wait_trace("close", 1)
        equal(d.trace(1)[-1].split()[1], "10", "why")


def test_others_from_inside_a_callback():
    """One callback closes every connection of the service, its own as well."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        clients = [d.connect() for _ in range(20)]
        for s in clients:
            s.sendall(b"say x\n")
            receive_line(s)
        clients[7].sendall(b"closeall\nsay never\n")
        for s in clients:
            equal(s.recv(100), b"")
            s.close()
        d.wait_log(r"trace \d+ close 2 ", count=20)


def test_walk_survives_broadcast_and_close():
    with Daemon(listener("c", test_plugin("command"))) as d:
        clients = [d.connect() for _ in range(10)]
        for s in clients:
            s.sendall(b"at timer close\nsay x\n")
            receive_line(s)
        clients[0].sendall(b"broadcast hello you\n")
        for s in clients:
            equal(receive(s, 9), b"hello you")
        d.wait_trace("call broadcast = 10")


def test_last_words_of_close():
    """Everything written before sl_close() arrives before end of file."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"write 200000\nclose\n")
        _, said = d.wait_trace("call", 1)
        taken = int(said.split("= ")[1])
        equal(receive(s, taken), pattern(taken))
        equal(s.recv(1), b"")


main()

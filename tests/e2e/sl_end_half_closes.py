"""sl_end() sends last bytes and closes our half; the peer's stays open."""

import socket

from sluice_test import (Daemon, SLOW, check, equal, expect_gone, listener,
                         main, pattern, receive, receive_line, test_plugin)


def names(d, connection=1):
    return [event.split()[0] for event in d.trace(connection)]


def test_last_words_then_input_goes_on():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"linger": "30s"})) as d:
        s = d.connect()
        s.sendall(b"write 1000\nend 500\n")
        equal(receive(s, 1500), pattern(1500))
        equal(s.recv(1), b"")
        since = d.mark()
        s.sendall(b"write 5\nsink\n")
        d.wait_trace("data", 1, since)
        d.wait_log("call write = -1 EPIPE", since)
        s.sendall(b"still listening")
        s.shutdown(socket.SHUT_WR)
        _, text = d.wait_trace("close", 1)
        check("sink 15 " in text, text)
        equal(text.split()[0], "2", "why: we closed it")
        equal(names(d), ["open", "data", "data", "data", "end", "close"])


def test_large_last_words():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"end 1000000\n")
        check(receive(s, 1000000) == pattern(1000000))
        equal(s.recv(1), b"")


def test_linger_runs_out():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"linger": "%dms" % (100 * SLOW)})) as d:
        s = d.connect()
        s.sendall(b"end\n")
        equal(s.recv(1), b"")
        d.wait_trace("close", 1)    # although we never close
        expect_gone(s)


def test_in_answer_to_the_peers_end():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"at end end 5\n")
        s.shutdown(socket.SHUT_WR)
        equal(receive(s, 5), pattern(5))
        equal(s.recv(1), b"")
        d.wait_trace("close", 1)
        equal(names(d), ["open", "data", "end", "close"])


def test_shutdown_write_has_no_time_limit():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"linger": "50ms"})) as d:
        s, clock = d.connect(), d.connect()
        s.sendall(b"write 10\nshutw\n")
        equal(receive(s, 10), pattern(10))
        equal(s.recv(1), b"")
        clock.sendall(b"tick %d 4\n" % (50 * SLOW))
        for _ in range(4):
            receive_line(clock)
        equal(names(d), ["open", "data"])
        since = d.mark()
        s.sendall(b"sink\n")
        d.wait_trace("data", 1, since)
        s.shutdown(socket.SHUT_WR)
        d.wait_trace("end", 1)


def test_shutdown_read_drops_input_and_goes_on_writing():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"at timer close\ntimer 1 %d\ntick 20 5\nshutr\n"
                  % (400 * SLOW))
        d.wait_trace("call shutr", 1)
        s.sendall(b"write 10\n" * 1000)
        s.shutdown(socket.SHUT_WR)
        for _ in range(5):
            equal(receive_line(s), "tick")
        equal(s.recv(1), b"")
        d.wait_trace("close", 1)
        equal(names(d), ["open", "data", "timer", "close"])


def test_sl_state_follows():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"at timer close\ntimer 1 200\nat end facts\nfacts\n")
        check(" state=3 " in receive_line(s))
        s.shutdown(socket.SHUT_WR)
        check(" state=4 " in receive_line(s))


main()

"""A peer that keeps reading gets everything, however slowly it reads."""

import select
import signal
import socket
import time

from sluice_test import (Daemon, SLOW, check, equal, expect_end, listener,
                         main, pattern, receive_line, reset, test_plugin)

LARGE = {"write_buffer": "16MiB"}
TOTAL = 600000
# Each pause is much shorter than BOUND, and their sum is much longer.
STEPS, PAUSE, BOUND = 10, 250, 1500


def ms(milliseconds):
    return "%dms" % (milliseconds * SLOW)


def small_window(d, **more):
    """A connection with a small receive buffer."""
    return d.connect(receive_buffer=4096, **more)


def read_slowly(s, talk=False):
    """Read TOTAL bytes in steps, and compare them with the pattern."""
    got = bytearray()
    for step in range(STEPS):
        end = TOTAL * (step + 1) // STEPS
        while len(got) < end:
            part = s.recv(min(1 << 16, end - len(got)))
            check(part, "it ends after", len(got), "of", TOTAL)
            got += part
        if talk and step < STEPS - 1:
            s.sendall(b"x")
        select.select([], [], [], PAUSE * SLOW / 1000)
    check(got == pattern(TOTAL), "the output differs")


def test_an_open_connection_is_not_stalled():
    with Daemon(listener("c", test_plugin("command"), limits=LARGE,
                         timeouts={"write": ms(BOUND)})) as d:
        s = small_window(d)
        s.sendall(b"stream 8000000\n")
        read_slowly(s)
        equal(len(d.log_lines("closed")), 0, "closed")
        reset(s)


def test_a_download_is_not_idle():
    """The kernel takes all of it at once; then nothing is written."""
    with Daemon(listener("c", test_plugin("command"), limits=LARGE,
                         timeouts={"idle": ms(BOUND), "linger": ms(50)})) as d:
        s = small_window(d)
        s.sendall(b"at timeout close\nstream %d\n" % TOTAL)
        read_slowly(s)
        equal(len(d.log_lines("trace 1 timeout")), 0, "timeouts")
        expect_end(s)
        d.wait_trace("close 2", 1)


def closing(d, s, talk=False):
    """Read slowly to the end.  Returns the reason of the close."""
    read_slowly(s, talk)
    expect_end(s)
    s.close()
    _, why = d.wait_trace("close", 1)
    check(not d.log_lines("undelivered"), "undelivered?")
    return why.split()[0]


def closed_by(command, talk=False):
    with Daemon(listener("c", test_plugin("command"), limits=LARGE,
                         timeouts={"linger": ms(BOUND)})) as d:
        s = small_window(d)
        s.sendall(b"stream %d\n%s\n" % (TOTAL, command))
        equal(closing(d, s, talk), "2", "why")


def test_sl_close_does_not_cut():
    closed_by(b"close")


def test_sl_close_does_not_cut_a_peer_that_still_sends():
    closed_by(b"close", talk=True)


def test_sl_end_does_not_cut():
    closed_by(b"end 0")


def test_a_peer_that_half_closed_gets_it_too():
    with Daemon(listener("c", test_plugin("command"), limits=LARGE)) as d:
        s = small_window(d)
        s.sendall(b"stream %d\n" % TOTAL)
        s.shutdown(socket.SHUT_WR)
        d.wait_trace("end", 1)
        equal(len(d.log_lines("closed why")), 0, "closed before it arrived")
        equal(closing(d, s), "1", "why")


def test_the_end_of_a_drain_is_not_its_end():
    """The drain ends at once, and still all output arrives."""
    with Daemon(listener("c", test_plugin("command"), limits=LARGE,
                         timeouts={"linger": ms(BOUND)}),
                drain_timeout="60s") as d:
        s = small_window(d)
        s.sendall(b"unref\nstream %d\nsay queued\n" % TOTAL)
        d.wait_trace("call stream", 1)
        d.signal(signal.SIGTERM)
        d.wait_log("stopping")
        read_slowly(s)
        equal(receive_line(s), "queued")
        expect_end(s)
        s.close()
        d.wait_exit()
        equal(d.trace(1)[-1].split()[1], "12", "why")
        check(not d.log_lines("undelivered"), "undelivered?")


def test_output_left_behind_is_reported():
    """When a peer stops reading, log and plugin are told."""
    with Daemon(listener("c", test_plugin("command"), limits=LARGE,
                         timeouts={"linger": ms(50),
                                   "write": ms(300)})) as d:
        s = small_window(d)
        s.sendall(b"stream %d\nclose\n" % TOTAL)
        line = d.wait_log(r"closed why=undelivered .* undelivered=(\d+) "
                          "after=local$")
        left = int(line.group(1))
        check(0 < left < TOTAL, left, "bytes were left")
        events = [event.split() for event in d.trace(1)]
        equal([e[0] for e in events[-2:]], ["error", "close"])
        equal([e[1] for e in events[-2:]], ["17", "17"], "why")
        equal(events[-2][2], "ETIMEDOUT")


def test_also_when_a_drain_runs_out():
    with Daemon(listener("c", test_plugin("command"), limits=LARGE),
                drain_timeout=ms(100)) as d:
        s = small_window(d)
        s.sendall(b"stream %d\n" % TOTAL)
        d.wait_trace("call stream", 1)
        d.signal(signal.SIGTERM)
        d.wait_log(r"closed why=undelivered .* after=shutdown$")
        s.close()
        d.wait_exit()


def test_a_reset_on_the_way_is_told():
    with Daemon(listener("c", test_plugin("command"), limits=LARGE)) as d:
        s = small_window(d)
        s.sendall(b"stream %d\nclose\n" % TOTAL)
        d.wait_trace("call close", 1)
        reset(s)
        d.wait_log(r"closed why=undelivered .* undelivered=\d+ after=local$")
        equal([e.split()[1] for e in d.trace(1)[-2:]], ["3", "17"], "why")


def test_a_trickle_has_an_end():
    with Daemon(listener("c", test_plugin("command"), limits=LARGE,
                         timeouts={"close": ms(1000),
                                   "linger": ms(500)})) as d:
        s = small_window(d)
        s.sendall(b"stream %d\nclose\n" % TOTAL)
        d.wait_trace("call close", 1)
        begun = time.monotonic()
        while not d.log_lines("closed why=undelivered"):
            check(time.monotonic() - begun < 20 * SLOW, "it never ends")
            try:
                s.recv(100)
            except ConnectionResetError:
                pass
            select.select([], [], [], 0.05)


main()

"""Input that `data` leaves unconsumed is presented again, before new input.

It comes when more arrives, after drain, and on resume.  A frame that can never
fit ends the connection, unless only blocked output holds it up.
"""

import os
import struct

from sluice_test import (Daemon, check, equal, exchange, expect_gone,
                         listener, main, plugin, receive, receive_line,
                         send_until_stalled, test_plugin)


def frame(payload):
    return struct.pack(">I", len(payload)) + payload


def test_when_more_arrives():
    with Daemon(listener("f", test_plugin("frame"))) as d:
        s = d.connect()
        whole = frame(b"abcdefgh")
        since = d.mark()
        s.send(whole[:2])
        d.wait_log("data 2 first 00", since)
        s.send(whole[2:7])
        d.wait_log("data 7 first 00", since)
        s.send(whole[7:] + frame(b"xyz")[:5])
        equal(receive(s, len(whole)), whole)
        d.wait_log("data 17 first 00", since)
        s.send(frame(b"xyz")[5:])
        equal(receive(s, 7), frame(b"xyz"))


def test_many_frames_in_any_pieces():
    frames = b"".join(frame(os.urandom(size)) for size in
                      list(range(0, 2000, 7)) + [60000, 1, 50000])
    with Daemon(listener("f", test_plugin("frame"))) as d:
        for step in (1, 3, 1000, 65536):
            s = d.connect()
            sent = frames[:4000] if step < 10 else frames
            # Only whole frames come back.
            at, end = 0, 0
            while end + 4 <= len(sent):
                size = struct.unpack_from(">I", sent, end)[0]
                if end + 4 + size > len(sent):
                    break
                end += 4 + size
            got = b""
            while at < end:
                s.sendall(sent[at:min(at + step, end)])
                at += step
            got = receive(s, end)
            check(got == sent[:end], "frames differ, step", step)


def test_frame_as_large_as_the_buffer_fits():
    with Daemon(listener("f", test_plugin("frame"),
                         limits={"read_buffer": 4096})) as d:
        s = d.connect()
        whole = frame(os.urandom(4092))
        s.send(whole[:100])
        s.send(whole[100:])
        equal(receive(s, 4096), whole)


def test_frame_that_cannot_fit():
    for pieces in (1, 50):
        with Daemon(listener("f", test_plugin("frame"),
                             limits={"read_buffer": 512})) as d:
            s = d.connect()
            whole = frame(os.urandom(3000))
            step = len(whole) // pieces + 1
            try:
                for at in range(0, len(whole), step):
                    s.send(whole[at:at + step])
            except OSError:
                pass
            expect_gone(s)
            d.wait_log("closed why=input-limit ")
            other = d.connect()
            other.sendall(frame(b"ok"))
            equal(receive(other, 6), frame(b"ok"))


def test_input_limit_callbacks():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"read_buffer": 512})) as d:
        s = d.connect()
        s.sendall(b"x" * 400)
        try:
            s.sendall(b"x" * 400)
        except OSError:
            pass
        expect_gone(s)
        d.wait_trace("close", 1)
        events = [event.split() for event in d.trace(1)]
        equal([e[0] for e in events[-2:]], ["error", "close"])
        equal(events[-2][1], "6", "why of error")
        equal(events[-1][1], "6", "why of close")


def test_blocked_output_does_not_count_as_input_limit():
    """Echo with a tiny read buffer and a peer that does not read."""
    data = os.urandom(1 << 20) * 16
    with Daemon(listener("echo", plugin("echo"),
                         limits={"read_buffer": 512,
                                 "write_buffer": 512})) as d:
        s = d.connect(receive_buffer=4096, send_buffer=4096)
        sent = send_until_stalled(s, data)
        check(sent < len(data))
        check(receive(s, sent) == data[:sent], "the echo differs")
        check(exchange(s, data[:100000]) == data[:100000])


def test_after_drain():
    """A frame that did not fit the queue is presented again after drain."""
    size = 100000
    with Daemon(listener("f", test_plugin("frame"),
                         limits={"read_buffer": "256KiB",
                                 "write_buffer": "64KiB",
                                 "write_queue": "256KiB"})) as d:
        s = d.connect(receive_buffer=4096, send_buffer=65536)
        frames = b"".join(frame(os.urandom(size)) for _ in range(40))
        check(exchange(s, frames) == frames, "the frames differ")


def test_on_resume():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"at timer resume\ntimer 1 50\npause\nsay later\nsay m")
        equal(receive_line(s), "later")
        events = d.trace(1)
        equal([e.split()[0] for e in events],
              ["open", "data", "timer", "data"])
        # "say later\nsay m" was kept, all of it.
        equal(events[3], "data 15")
        # The half command is still kept.
        s.sendall(b"ore\n")
        d.wait_trace("data 9", 1)


def test_nothing_is_presented_twice():
    """After all was consumed, only new input is presented."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        for i in range(20):
            s.sendall(b"say %d\n" % (i % 10))
            equal(receive_line(s), str(i % 10))
        equal(d.trace(1), ["open"] + ["data 6"] * 20)


def test_more_consumed_than_there_was_is_an_error():
    with Daemon(listener("b", test_plugin("badcalls"))) as d:
        s = d.connect()
        s.sendall(b"toomuch")
        expect_gone(s)
        d.wait_log("bad close why 10")
        other = d.connect()
        other.sendall(b"x")
        equal(receive_line(other), "done")


main()

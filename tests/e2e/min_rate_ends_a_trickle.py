"""limits.min_rate ends a peer that takes a byte now and then, and spares one
that keeps the rate."""

from sluice_test import (Daemon, Failure, SLOW, check, expect_gone, listener,
                         main, plugin, receive, receive_line, test_plugin)

TICK = 100 * SLOW       # milliseconds; each peer reads once in each
PART = 65536            # bytes of a tick; far above the rate
RATE = "4KiB"           # a second, and so ten ticks
TICKS = 1000            # far more than two windows of ten seconds


def closed(s):
    """The beginning of the line about a client's end."""
    return r"conn \d+ chargen 127\.0\.0\.1:%d closed why=" % (
        s.getsockname()[1])


def test_min_rate():
    """Output is endless, and no other timeout ends either peer."""
    with Daemon(listener("chargen", plugin("chargen"),
                         limits={"min_rate": RATE},
                         timeouts={"write": "0", "idle": "0"}),
                listener("clock", test_plugin("command"))) as d:
        steady, clock = d.connect(), d.connect("clock")
        trickle = d.connect(receive_buffer=4096)
        clock.sendall(b"tick %d %d\n" % (TICK, TICKS))
        ended = closed(trickle) + "write-stall "
        for _ in range(TICKS):
            receive_line(clock)
            receive(steady, PART)
            if d.log_lines(ended):
                break
            try:
                trickle.recv(1)
            except ConnectionResetError:
                pass            # it has just been ended
        else:
            raise Failure("the trickle was not ended")
        expect_gone(trickle)
        receive(steady, 16 * PART)
        check(not d.log_lines(closed(steady)), "the steady peer was ended")


main()

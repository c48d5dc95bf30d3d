"""At SIGTERM the daemon stops accepting, and ends after its connections."""

import os
import signal
import time

from sluice_test import (Daemon, SLOW, check, equal, expect_gone, listener,
                         main, plugin, receive, receive_line, test_plugin,
                         wait_until)


def drain(d):
    since = d.mark()
    d.signal(signal.SIGTERM)
    d.wait_log(r"stopping \(SIGTERM\)", since)


def test_nothing_to_drain():
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s") as d:
        begun = time.monotonic()
        d.stop()
        check(time.monotonic() - begun < 5 * SLOW, "took too long")
        check(d.log_lines("stopped$"))


def test_open_connections_are_served_to_their_end():
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s",
                workers=2) as d:
        clients = [d.connect() for _ in range(10)]
        for s in clients:
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        address = d.addresses("echo")[0]
        drain(d)
        wait_until(lambda: d.refuses(address), "the listener to close")
        for s in clients:
            s.sendall(b"still here")
            equal(receive(s, 10), b"still here")
            s.close()
        d.wait_exit()


def test_queued_connections_are_served():
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s") as d:
        worker = d.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        clients = [d.connect() for _ in range(20)]
        for s in clients:
            s.sendall(b"hello")
        drain(d)
        os.kill(worker, signal.SIGCONT)
        for s in clients:
            equal(receive(s, 5), b"hello")
            s.close()
        d.wait_exit()


def test_drain_timeout():
    with Daemon(listener("c", test_plugin("command")),
                drain_timeout="%dms" % (200 * SLOW)) as d:
        s = d.connect()
        s.sendall(b"say x\n")
        receive_line(s)
        drain(d)
        expect_gone(s)
        d.wait_exit()
        equal(d.trace(1)[-1].split()[1], "12", "why")
        check(d.log_lines("conn 1 c .* closed why=shutdown"))


def test_second_signal_ends_at_once():
    for second in (signal.SIGTERM, signal.SIGINT):
        with Daemon(listener("c", test_plugin("command")),
                    drain_timeout="60s", workers=2) as d:
            s = d.connect()
            s.sendall(b"say x\n")
            receive_line(s)
            drain(d)
            d.signal(second)
            d.wait_exit()
            equal(d.trace()[-1].split()[1], "12", "why")


def test_sigint_is_the_same():
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s") as d:
        s = d.connect()
        s.sendall(b"x")
        receive(s, 1)
        d.signal(signal.SIGINT)
        d.wait_log(r"stopping \(SIGINT\)")
        s.sendall(b"y")
        equal(receive(s, 1), b"y")
        s.close()
        d.wait_exit()


def test_unref_does_not_hold_up():
    with Daemon(listener("c", test_plugin("command")),
                drain_timeout="60s") as d:
        held, free = d.connect(), d.connect()
        free.sendall(b"unref\nsay x\n")
        receive_line(free)
        held.sendall(b"unref\nref\nsay x\n")
        receive_line(held)
        drain(d)
        held.sendall(b"say y\n")
        equal(receive_line(held), "y")
        held.close()
        expect_gone(free)
        d.wait_exit()


def test_output_is_flushed():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "8MiB"}),
                drain_timeout="60s") as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"write 1000000\nclose\n")
        d.wait_trace("call close", 1)
        drain(d)
        equal(len(receive(s, 1000000)), 1000000)
        equal(s.recv(1), b"")
        s.close()
        d.wait_exit()


def test_during_start():
    """SIGTERM at any moment of the start ends the daemon and its children."""
    for line in ("starting", r"worker 1 \(pid", None):
        with Daemon(listener("echo", plugin("echo")), workers=2,
                    start=False) as d:
            d.start(wait=False)
            if line:
                d.wait_log(line)
                d.signal(signal.SIGTERM)
                d.wait_exit()
            else:
                d.wait_log("ready")
                d.stop()


main()

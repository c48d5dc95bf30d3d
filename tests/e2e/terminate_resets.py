"""sl_terminate() resets the connection at once; queued output is lost."""

from sluice_test import (Daemon, equal, expect_reset, listener, main,
                         receive_line, test_plugin)


def test_reset():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"terminate\n")
        expect_reset(s)
        d.wait_trace("close 2", 1)


def test_with_output_queued():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\nterminate\n")
        d.wait_trace("close 2", 1)
        expect_reset(s)


def test_while_closing():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"fill\nat timer terminate\ntimer 1 50\n")
        d.wait_trace("close 2", 1)
        expect_reset(s)


def test_others_live_on():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s, other = d.connect(), d.connect()
        s.sendall(b"terminate\n")
        expect_reset(s)
        other.sendall(b"say x\n")
        equal(receive_line(other), "x")


main()

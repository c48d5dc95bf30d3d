"""A plugin may stop its listener everywhere, and ask for a reload."""

import os
import signal

from sluice_test import (Daemon, check, equal, expect_gone, free_address,
                         listener, main, plugin, receive, receive_line,
                         test_plugin, wait_until)


def test_stop():
    with Daemon(listener("c", test_plugin("command"), free_address()),
                listener("other", plugin("echo")), workers=2,
                pairs=False) as d:
        address = d.addresses("c")[0]
        clients = [d.connect("c") for _ in range(10)]
        for s in clients:
            s.sendall(b"say x\n")
            receive_line(s)
        clients[0].sendall(b"stop 0\n")
        d.wait_trace("call stop = 0")
        wait_until(lambda: d.refuses(address), "the listener to close")
        for s in clients:           # in both workers
            s.sendall(b"say still\n")
            equal(receive_line(s), "still")
        s = d.connect("other")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        # A restarted worker does not serve it, either.
        os.kill(d.workers()[1], signal.SIGKILL)
        d.wait_log(r"worker 2 \(pid \d+\) started", count=2)
        check(d.refuses(address))
        # A reload brings it back.
        d.reload_ready()
        s = d.connect("c")
        s.sendall(b"say back\n")
        equal(receive_line(s), "back")


def test_stop_and_close():
    with Daemon(listener("c", test_plugin("command")),
                listener("other", plugin("echo")), workers=2) as d:
        clients = [d.connect("c") for _ in range(10)]
        for s in clients:
            s.sendall(b"say x\n")
            receive_line(s)
        other = d.connect("other")
        clients[0].sendall(b"stop 1\n")
        for s in clients:
            expect_gone(s)
            s.close()
        d.wait_log(r"trace \d+ close 16 ", count=10)
        other.sendall(b"x")
        equal(receive(other, 1), b"x")


def test_reload():
    with Daemon(listener("c", test_plugin("command")), workers=2) as d:
        s = d.connect()
        s.sendall(b"reload\n")
        d.wait_trace("call reload = 0")
        d.wait_log("generation 2 ready")
        d.write("nonsense")
        s.sendall(b"reload\nreload\nreload\n")
        d.wait_log("reload refused")
        s.sendall(b"say x\n")
        equal(receive_line(s), "x")


main()

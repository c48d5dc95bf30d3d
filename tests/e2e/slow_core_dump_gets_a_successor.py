"""A crashed worker that takes long to end, as with a large core dump, holds up
nothing.  Here a tracer holds it at its end, with all its descriptors open."""

from sluice_test import (Daemon, check, connector, equal,
                         expect_end, free_address, is_alive, listener, main,
                         plugin, receive, test_plugin)
from harness.tracer import hold_at_its_end, let_go, seize
from harness.upstream import Upstream

def echoes(d, name):
    s = d.connect(name)
    s.sendall(b"y")
    equal(receive(s, 1), b"y")
    return s


def test_successor():
    address = free_address()
    room = listener("room", test_plugin("crasher"),
                    options={"at": "end", "how": "segv"})
    echo = listener("echo", plugin("echo"), address,
                    limits={"connections": 1})
    with Daemon(room, echo, pairs=False, control="control.sock") as d:
        pid = d.workers()[0]
        kept = echoes(d, "echo")    # the limit is reached
        seize(pid)
        since = d.mark()
        s = d.connect("room")
        s.shutdown(1)               # `end` crashes
        hold_at_its_end(pid)
        d.wait_log(r"worker 1 \(pid %d\) was killed by SIGSEGV and is not gone "
                   r"yet; its connections are lost; starting it again" % pid,
                   since)
        d.wait_log(r"worker 1: SIGSEGV", since)
        d.wait_log(r"worker 1 \(pid \d+\) started", since)
        check(is_alive(pid))
        # Its connections no longer count, and its sockets are served.
        echoes(d, "echo").close()
        equal(len(d.ask("crashes")["crashes"]), 1)
        # It takes no part in a reload, and keeps no address in use.
        del d.listeners[1]
        d.write_config()
        equal(d.reload_ready(), 2)
        d.listeners.append(listener("echo", plugin("echo"), address))
        d.write_config()
        equal(d.reload_ready(), 3)
        echoes(d, "echo")
        let_go(pid)
        d.wait_log(r"worker 1: process %d, which had crashed, is gone after "
                   r"\d+ ms: it was killed by SIGSEGV" % pid, since)
        kept.close()
        equal(len(d.log_lines("its connections are lost", since)), 1)


def test_main_thread_alone_ends():
    """A thread of a plugin cannot keep the connections open."""
    room = listener("room", test_plugin("crasher"),
                    options={"at": "end", "how": "thread"})
    with Daemon(room) as d:
        pid, since = d.workers()[0], d.mark()
        kept = d.connect("room")
        d.connect("room").shutdown(1)
        d.wait_log(r"worker 1 \(pid \d+\) started", since)
        d.wait_log(r"worker 1 \(pid %d\) has lost its main thread" % pid, since)
        d.wait_log(r"process %d, which had crashed, is gone" % pid, since)
        expect_end(kept)
        check(not is_alive(pid))


def test_a_connector_is_cut():
    """The peer of a connector does not have two connections for so long."""
    with Upstream() as peer, Daemon(
            connectors=[connector("feed", test_plugin("crasher"), peer.address,
                                  options={"at": "data", "how": "segv"})],
            pairs=False) as d:
        s = peer.accept()
        pid = d.workers()[0]
        seize(pid)
        s.sendall(b"x")
        hold_at_its_end(pid)
        check(is_alive(pid))
        expect_end(s)
        s.close()
        peer.accept().close()
        check(is_alive(pid))
        let_go(pid)


main()

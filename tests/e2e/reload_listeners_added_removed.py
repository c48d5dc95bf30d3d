"""A reload adds and removes listeners without touching the others."""

import os
import signal

from sluice_test import (Daemon, check, equal, expect_gone, free_address,
                         listener, main, plugin, receive, receive_all,
                         receive_line, test_plugin)


def test_add_and_remove():
    with Daemon(listener("stays", test_plugin("command")),
                listener("goes", plugin("echo"))) as d:
        s = d.connect("stays")
        s.sendall(b"say one\n")
        equal(receive_line(s), "one")
        gone = d.addresses("goes")[0]
        stays = d.addresses("stays")[0]

        d.listeners.append(listener("new", plugin("discard")))
        d.write_config()
        d.reload_ready()
        d.connect("new").sendall(b"x")
        equal(d.addresses("stays")[0], stays, "address")
        equal(d.addresses("goes")[0], gone, "address")

        d.listeners.remove(d.listener("goes"))
        d.write_config()
        d.reload_ready()
        check(d.refuses(gone), "the removed one still listens")
        equal(d.addresses("stays")[0], stays, "address")

        s.sendall(b"say two\n")
        equal(receive_line(s), "two")
        equal(d.trace(1), ["open", "data 8", "data 8"])

        # It comes back on its old port.
        d.listeners.append(listener("goes", plugin("echo"), gone))
        d.write_config()
        d.reload_ready()
        back = d.connect(address=gone)
        back.sendall(b"back")
        equal(receive(back, 4), b"back")


def test_connections_of_a_removed_listener_drain():
    with Daemon(listener("stays", plugin("echo")),
                listener("goes", test_plugin("command")),
                drain_timeout="30s") as d:
        s = d.connect("goes")
        s.sendall(b"say before\n")
        receive_line(s)
        d.listeners.remove(d.listener("goes"))
        d.write_config()
        d.reload_ready()
        s.sendall(b"say after\n")
        equal(receive_line(s), "after")
        s.sendall(b"close\n")
        equal(receive_all(s), b"")
        d.wait_trace("close 2", 1)


def test_the_drain_ends():
    with Daemon(listener("stays", plugin("echo")),
                listener("goes", test_plugin("command")),
                drain_timeout="100ms") as d:
        s, other = d.connect("goes"), d.connect("stays")
        s.sendall(b"say before\n")
        receive_line(s)
        d.listeners.remove(d.listener("goes"))
        d.write_config()
        d.reload_ready()
        expect_gone(s)
        d.wait_trace("close 11", 1)
        other.sendall(b"x")
        equal(receive(other, 1), b"x")


def test_queued_connections_of_a_removed_listener_are_served():
    with Daemon(listener("stays", plugin("echo")),
                listener("goes", plugin("echo")), workers=2) as d:
        for pid in d.workers():
            os.kill(pid, signal.SIGSTOP)
        clients = []
        for i in range(50):
            s = d.connect("goes")
            s.sendall(b"hello %02d" % i)
            clients.append(s)
        d.listeners.remove(d.listener("goes"))
        d.write_config()
        since = d.mark()
        d.signal(signal.SIGHUP)
        d.wait_log("reloading", since)
        # When the workers are asked, reader and probe have ended.
        for pid in d.workers():
            os.kill(pid, signal.SIGCONT)
        d.wait_log("generation 2 ready", since)
        for i, s in enumerate(clients):
            equal(receive(s, 8), b"hello %02d" % i)


def test_address_added_to_a_listener():
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        first = d.addresses("echo")[0]
        path = "unix:" + d.path("socket")
        d.listener("echo")["listen"] = ["127.0.0.1:0", path]
        d.write_config()
        d.reload_ready()
        equal(d.addresses("echo"), [first, path])
        u = d.connect(address=path)
        u.sendall(b"unix")
        equal(receive(u, 4), b"unix")
        d.listener("echo")["listen"] = "127.0.0.1:0"
        d.write_config()
        d.reload_ready()
        check(not os.path.exists(d.path("socket")), "the path is left")
        s.sendall(b"tcp")
        equal(receive(s, 3), b"tcp")
        u.sendall(b"still")
        equal(receive(u, 5), b"still")


def test_renamed_listener_keeps_its_socket():
    """An address that moves to another listener is never closed meanwhile."""
    with Daemon(listener("one", plugin("echo"), free_address())) as d:
        address = d.addresses("one")[0]
        d.listeners[:] = [listener("two", plugin("discard"), address)]
        d.write_config()
        verdict = d.reload()
        check(isinstance(verdict, int), verdict)
        s = d.connect(address=address)
        s.sendall(b"x" * 1000)
        d.listeners[:] = [listener("three", plugin("echo"), address)]
        d.write_config()
        d.reload_ready()
        s = d.connect(address=address)
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_many_listeners():
    with Daemon(*[listener("l%d" % i, plugin("echo")) for i in range(60)],
                workers=2) as d:
        for i in range(0, 60, 7):
            s = d.connect("l%d" % i)
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        del d.listeners[10:]
        d.write_config()
        d.reload_ready()
        s = d.connect("l3")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


main()

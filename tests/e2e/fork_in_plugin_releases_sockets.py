"""A process forked by a plugin keeps no connection and no address in use."""

import os
import signal
import socket

from sluice_test import (Daemon, check, descriptors, equal, expect_end,
                         free_address, is_alive, listener, main, receive_line,
                         test_plugin, wait_until)


def ask(s, what):
    s.sendall(what.encode() + b"\n")
    return receive_line(s)


def ours(pid):
    """The worker's descriptors in a process: sockets, epoll, the spare one."""
    return {fd: name for fd, name in descriptors(pid).items()
            if fd > 2 and not name.startswith("/memfd:")}


def released(how):
    address = free_address()
    with Daemon(listener("f", test_plugin("forker"), address)) as d:
        d.listeners.append(listener("u", test_plugin("forker"),
                                    "unix:" + d.path("unix.sock")))
        d.write_config()
        d.reload_ready()
        s, other = d.connect("f"), d.connect("f")
        equal(ask(other, "say"), "here")
        child = int(ask(s, how))
        try:
            check(is_alive(child))
            wait_until(lambda: not ours(child), lambda: "a child without %s"
                   % ours(child))
            # The worker still has its own.
            equal(ask(other, "say"), "here")
            equal(ask(d.connect("f"), "say"), "here")
            # The peer sees the end of a connection that the worker ends.
            other.sendall(b"close\n")
            expect_end(other)
            s.close()
            d.stop()
            check(is_alive(child))
            check(d.refuses(address), "it still listens")
            with socket.socket() as again:
                host, port = address.rsplit(":", 1)
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind((host, int(port)))
                again.listen()
        finally:
            os.kill(child, signal.SIGKILL)


def test_fork():
    released("fork")


def test_fork_in_a_thread():
    released("thread")


def test_sigterm_ends_the_child():
    """A forked child does not drain at SIGTERM."""
    with Daemon(listener("f", test_plugin("forker")),
                drain_timeout="1h") as d:
        child = int(ask(d.connect(), "fork"))
        os.kill(child, signal.SIGTERM)
        wait_until(lambda: not is_alive(child), "the child to end")


def test_a_child_that_returns_does_not_serve():
    """A child that returns from the callback ends, and the worker goes on."""
    with Daemon(listener("f", test_plugin("forker"))) as d:
        s = d.connect()
        since = d.mark()
        child = int(ask(s, "return"))
        wait_until(lambda: not is_alive(child), "the child to end")
        equal(ask(s, "say"), "here")
        equal(d.log_lines("worker", since), [])


main()

"""A rollback brings back code, options, listeners, addresses and limits."""

import os
import signal
import socket

from sluice_test import (Daemon, check, equal, free_address,
                         listener, main, plugin, receive, receive_line,
                         test_plugin, wait_until)


def kill_three(d):
    for _ in range(3):
        pid = d.workers()[0]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: d.workers()[0] != pid, "the next")


def ask(d, name, line=b"x\n"):
    s = d.connect(name)
    s.sendall(line)
    answer = receive_line(s)
    s.close()
    return answer


def open_at_once(d, name):
    """How many of five connections are not refused."""
    clients = [d.connect(name, may_reset=True) for _ in range(5)]
    kept = 0
    for s in clients:
        try:
            s.sendall(b"x\n")
            receive_line(s)
            kept += 1
        except Exception:
            pass
    for s in clients:
        s.close()
    return kept


def test_all_of_it():
    goes, comes = free_address(), free_address()
    d = Daemon(listener("stamp", test_plugin("stamp"),
                        options={"greeting": " old"},
                        limits={"connections": 2}),
               listener("goes", plugin("echo"), goes), workers=1)
    path = "unix:" + d.path("socket")
    d.listeners.append(listener("path", plugin("echo"), path))
    d.write_config()
    with d:
        equal(ask(d, "stamp"), "v1 old 1 x")
        equal(open_at_once(d, "stamp"), 2)
        stamp = d.addresses("stamp")

        d.listeners[:] = [
            listener("stamp", test_plugin("stamp", VERSION="v2"),
                     options={"greeting": " new"}),
            listener("comes", plugin("echo"), comes)]
        d.write_config()
        equal(d.reload_ready(), 2)
        equal(ask(d, "stamp"), "v2 new 1 x")
        equal(open_at_once(d, "stamp"), 5)
        check(d.refuses(goes), "it still listens")
        check(d.refuses(path), "it still listens")

        since = d.mark()
        kill_three(d)
        d.wait_log(r"generation 3 ready \(as generation 1\): 3 listeners, "
                   r"1 worker; generation 2 crashed too often$", since)
        equal(d.addresses("stamp"), stamp)
        equal(ask(d, "stamp"), "v1 old 1 x")
        wait_until(lambda: open_at_once(d, "stamp") == 2, "the old limit")
        check(d.refuses(comes), "it still listens")
        for address in (goes, path):
            s = d.connect(address=address)
            s.sendall(b"back")
            equal(receive(s, 4), b"back")


def test_an_address_that_is_taken_meanwhile():
    goes = free_address()
    with Daemon(listener("stamp", test_plugin("stamp")),
                listener("goes", plugin("echo"), goes), workers=1) as d:
        d.listeners[:] = [listener("stamp",
                                   test_plugin("stamp", VERSION="v2"))]
        d.write_config()
        equal(d.reload_ready(), 2)
        host, _, port = goes.rpartition(":")
        with socket.socket() as thief:
            thief.bind((host, int(port)))
            thief.listen()
            since = d.mark()
            kill_three(d)
            d.wait_log(r"cannot listen on %s" % goes, since)
            d.wait_log(r"cannot go back to generation 1: 1 problem; "
                       r"keeping generation 2", since)
            equal(ask(d, "stamp"), "v2 1 x")
        # The next reload works as always.
        d.listeners[:] = [listener("stamp", test_plugin("stamp"))]
        d.write_config()
        d.reload_ready()
        equal(ask(d, "stamp"), "v1 1 x")


main()

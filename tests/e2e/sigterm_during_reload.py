"""SIGTERM during a reload aborts the reload and ends the daemon cleanly."""

import os
import signal

from sluice_test import (Daemon, compile_plugin, equal, free_address,
                         listener, main, plugin, receive, receive_line,
                         test_plugin, wait_until)


def test_at_once():
    for _ in range(5):
        with Daemon(listener("stamp", test_plugin("stamp")),
                    workers=2) as d:
            s = d.connect()
            s.sendall(b"x\n")
            receive_line(s)
            d.signal(signal.SIGHUP)
            d.stop()


def test_while_reading():
    for _ in range(5):
        with Daemon(listener("stamp", "./stamp.so"), start=False,
                    workers=2) as d:
            compile_plugin("stamp", d.path("stamp.so"), VERSION="v1")
            d.start()
            compile_plugin("stamp", d.path("stamp.so"), VERSION="v2")
            since = d.mark()
            d.signal(signal.SIGHUP)
            d.wait_log("reloading", since)
            d.stop()


def test_while_probing():
    """A probe that hangs does not outlive the daemon."""
    with Daemon(listener("stamp", test_plugin("stamp"))) as d:
        d.listeners.append(listener("hang", test_plugin("hang")))
        d.write_config()
        s = d.connect()
        s.sendall(b"x\n")
        receive_line(s)
        since = d.mark()
        d.signal(signal.SIGHUP)
        d.wait_log("reloading", since)
        d.signal(signal.SIGTERM)
        d.wait_log("stopping", since)
        s.sendall(b"y\n")
        equal(receive_line(s), "v1 2 y")
        s.close()
        d.wait_exit()


def test_while_preparing():
    """A worker does not answer PREPARE."""
    with Daemon(listener("stamp", test_plugin("stamp")), workers=2) as d:
        worker = d.workers()[1]
        since = d.mark()
        os.kill(worker, signal.SIGSTOP)
        d.signal(signal.SIGHUP)
        d.wait_log("reloading", since)
        d.signal(signal.SIGTERM)
        d.wait_log("stopping", since)
        os.kill(worker, signal.SIGCONT)
        d.wait_exit()


def test_stop_right_behind_commit():
    """A worker that reads both messages at once does not begin to accept."""
    with Daemon(listener("a", plugin("echo")), workers=2,
                drain_timeout="60s", log={"level": "debug"}) as d:
        first, second = d.workers()
        clients = [d.connect("a") for _ in range(20)]
        for s in clients:       # some on each worker
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        address = free_address()
        d.listeners.append(listener("b", plugin("echo"), address))
        d.write_config()
        since = d.mark()
        os.kill(second, signal.SIGSTOP)
        d.signal(signal.SIGHUP)
        d.wait_log("worker 1: preparing -> prepared", since)
        os.kill(first, signal.SIGSTOP)
        os.kill(second, signal.SIGCONT)
        d.wait_log("generation 2 committed", since)
        d.signal(signal.SIGTERM)
        d.wait_log("stopping", since)
        os.kill(first, signal.SIGCONT)
        d.wait_log("generation 2 committed", since, count=2)
        wait_until(lambda: not accepts(d, address), "it to be refused")
        for s in clients:
            s.close()
        d.wait_exit()


def accepts(d, address):
    try:
        d.connect(address=address).close()
        return True
    except (ConnectionRefusedError, ConnectionResetError):
        return False


def test_sighup_while_stopping():
    with Daemon(listener("stamp", test_plugin("stamp")),
                drain_timeout="60s") as d:
        s = d.connect()
        s.sendall(b"x\n")
        receive_line(s)
        d.signal(signal.SIGTERM)
        d.wait_log("stopping")
        for _ in range(10):
            d.signal(signal.SIGHUP)
        s.sendall(b"y\n")
        equal(receive_line(s), "v1 2 y")
        s.close()
        d.wait_exit()
        equal(d.log_lines("generation 2"), [])


main()

"""SIGTERM in the middle of a reload: the reload is off, the end is clean."""

import os
import signal

from sluice_test import (Daemon, compile_plugin, equal, listener, main,
                         receive_line, test_plugin)


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
    """The probe hangs; it must not outlive the daemon."""
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

"""Without their master, workers drain and exit; no process is left."""

import os
import signal

from sluice_test import (Daemon, SLOW, check, equal, expect_gone, free_address,
                         family, listener, main, plugin, receive, receive_line,
                         test_plugin, wait_until)


def kill_master(d):
    os.kill(d.pid, signal.SIGKILL)
    d.process.wait()


def finish(d):
    wait_until(lambda: not family(d), "the workers to leave")
    d.reader.join(15)
    d.process = None
    d.check_log()


def test_idle_workers_exit():
    with Daemon(listener("echo", plugin("echo")), workers=2,
                drain_timeout="60s") as d:
        kill_master(d)
        finish(d)


def test_connections_are_drained():
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s") as d:
        s = d.connect()
        s.sendall(b"x")
        receive(s, 1)
        kill_master(d)
        for _ in range(20):
            s.sendall(b"still here")
            equal(receive(s, 10), b"still here")
        check(family(d), "the worker left its connection")
        s.close()
        finish(d)


def test_the_next_one_serves_meanwhile():
    """Draining workers do not keep ports or control socket in use."""
    address = free_address()
    with Daemon(listener("echo", plugin("echo"), listen=address), workers=2,
                control="control.sock", drain_timeout="60s") as d:
        s = d.connect()
        s.sendall(b"x")
        receive(s, 1)
        kill_master(d)
        wait_until(lambda: refused(d, address), "the workers to let go")
        with Daemon(listener("echo", plugin("echo"), listen=address),
                    control=d.path("control.sock")) as following:
            other = following.connect()
            for old_and_new in (s, other):
                old_and_new.sendall(b"still here")
                equal(receive(old_and_new, 10), b"still here")
        s.close()
        finish(d)


def refused(d, address):
    try:
        d.connect(address=address).close()
        return False
    except OSError:
        return True


def test_drain_timeout():
    with Daemon(listener("c", test_plugin("command")),
                drain_timeout="%dms" % (300 * SLOW)) as d:
        s = d.connect()
        s.sendall(b"say x\n")
        receive_line(s)
        kill_master(d)
        expect_gone(s)
        finish(d)
        equal(d.trace(1)[-1].split()[:2], ["close", "12"])


def test_in_the_middle_of_a_reload():
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        d.listeners.append(listener("hang", test_plugin("hang")))
        d.write_config()
        d.signal(signal.SIGHUP)
        d.wait_log("reloading")
        kill_master(d)
        finish(d)


main()

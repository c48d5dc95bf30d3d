"""A worker that dies loses its own connections and no others."""

import os
import signal

from sluice_test import (Daemon, check, connection_descriptors, descriptors,
                         equal, expect_gone, id_of, listener, main, plugin,
                         receive, receive_line, test_plugin, wait_until)


def by_worker(d, count):
    """At least count connections in each of two workers."""
    found = {0: [], 1: []}
    number = 0
    while min(len(found[0]), len(found[1])) < count:
        number += 1
        check(number < 1000, "all connections go to one worker")
        s = d.connect()
        found[d.worker_of(id_of(s))].append(s)
    return found


def speaks(s):
    s.sendall(b"say alive\n")
    equal(receive_line(s), "alive")


def test_kill():
    with Daemon(listener("c", test_plugin("command")), workers=2,
                pairs=False) as d:
        found = by_worker(d, 5)
        victim, other = d.workers()
        os.kill(victim, signal.SIGKILL)
        d.wait_log(r"worker 1 \(pid %d\) was killed by SIGKILL" % victim)
        for s in found[0]:
            expect_gone(s)
        for s in found[1]:
            speaks(s)
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        check(d.workers()[0] != victim and d.workers()[1] == other)
        for _ in range(30):
            speaks(d.connect())


def test_next_connection_waits_in_the_queue():
    """No connection is refused or reset between death and restart."""
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        for _ in range(3):
            os.kill(d.workers()[0], signal.SIGKILL)
            for _ in range(40):
                s = d.connect()
                s.sendall(b"hello")
                try:
                    equal(receive(s, 5), b"hello")
                except ConnectionResetError:
                    # The dead worker had accepted it.
                    check(False, "a new connection was reset")
                s.close()


def test_queued_connections_survive():
    with Daemon(listener("echo", plugin("echo"))) as d:
        worker = d.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        clients = [d.connect() for _ in range(30)]
        for s in clients:
            s.sendall(b"hello")
        os.kill(worker, signal.SIGKILL)
        for s in clients:
            equal(receive(s, 5), b"hello")


def test_plugin_aborts():
    with Daemon(listener("c", test_plugin("command")), workers=2,
                pairs=False) as d:
        found = by_worker(d, 3)
        found[0][0].sendall(b"abort\n")
        d.wait_log("worker 1 .* was killed by SIGABRT")
        for s in found[1]:
            speaks(s)
        for s in found[0]:
            expect_gone(s)
        for _ in range(10):
            speaks(d.connect())


def test_back_off():
    """The first restart is at once, the next after longer and longer waits."""
    with Daemon(listener("echo", plugin("echo"))) as d:
        for count in range(1, 5):
            since = d.mark()
            os.kill(d.workers()[0], signal.SIGKILL)
            d.wait_log("killed by SIGKILL", since)
            d.wait_log(r"worker 1 \(pid \d+\) started", since)
            s = d.connect()     # shows that it serves
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        lines = d.log_lines("killed by SIGKILL")
        check(" in " not in lines[0].split("starting")[1], lines[0])
        delays = [line.split("starting it again in ")[1] for line in
                  lines[1:]]
        equal(delays, ["100 ms", "200 ms", "400 ms"], "delays")


def test_respawned_worker_has_the_newest_generation():
    with Daemon(listener("s", test_plugin("stamp"))) as d:
        d.listener("s")["options"] = {"greeting": "-2"}
        d.write_config()
        d.reload_ready()
        d.write("nonsense")
        d.reload_refused()
        os.kill(d.workers()[0], signal.SIGKILL)
        s = d.connect()
        s.sendall(b"x\n")
        equal(receive_line(s), "v1-2 1 x")


def test_reload_while_a_worker_is_away():
    with Daemon(listener("s", test_plugin("stamp")), workers=2) as d:
        for count in range(3):
            since = d.mark()
            os.kill(d.workers()[1], signal.SIGKILL)
            d.wait_log("killed by SIGKILL", since)
            if count < 2:
                d.wait_log(r"worker 2 \(pid \d+\) started", since)
        d.listener("s")["options"] = {"greeting": "-2"}
        d.write_config()
        d.reload_ready()
        d.wait_log(r"worker 2 \(pid \d+\) started", count=4)
        for _ in range(20):
            s = d.connect()
            s.sendall(b"x\n")
            equal(receive_line(s), "v1-2 1 x")


def test_killed_during_a_reload():
    """The reload may be refused or not; service goes on either way."""
    with Daemon(listener("s", test_plugin("stamp")), workers=2) as d:
        for i in range(5):
            since = d.mark()
            os.kill(d.workers()[0], signal.SIGSTOP)
            d.signal(signal.SIGHUP)
            d.wait_log("reloading", since)
            os.kill(d.workers()[0], signal.SIGKILL)
            d.wait_log(r"generation \d+ ready|reload refused", since)
            d.wait_log(r"worker 1 \(pid \d+\) started", since)
        for _ in range(20):
            s = d.connect()
            s.sendall(b"x\n")
            equal(receive_line(s), "v1 1 x")
        d.reload_ready()


def test_master_keeps_no_descriptors_of_the_dead():
    with Daemon(listener("echo", plugin("echo"))) as d:
        before = len(descriptors(d.pid))
        for _ in range(3):
            since = d.mark()
            os.kill(d.workers()[0], signal.SIGKILL)
            d.wait_log(r"worker 1 \(pid \d+\) started", since)
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        wait_until(lambda: len(descriptors(d.pid)) == before,
                   "descriptors to be back")
        equal(connection_descriptors(d.pid), [])


main()

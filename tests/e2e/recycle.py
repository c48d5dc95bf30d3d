"""sluicectl workers recycle: other processes in place of the workers, and
nothing is lost."""

import os
import signal
import socket
import threading

from sluice_test import (Daemon, check, close_all, connector, equal,
                         expect_gone, listener, main, plugin, receive,
                         receive_line, scratch, test_plugin, wait_until)


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", pairs=False,
                  **settings)


def echoes(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def recycle(d, *words, status=0):
    result = d.sluicectl("workers", "recycle", *words)
    equal(result.returncode, status, result.stdout + result.stderr)
    return result.stdout if status == 0 else result.stderr


def pids(d, which="workers"):
    return [one["pid"] for one in d.ask("status")[which]]


def gone(pid):
    return not os.path.exists("/proc/%d" % pid)


class Clients(threading.Thread):
    """Clients that come one after the other, until it is told to stop."""

    def __init__(self, port):
        super().__init__()
        self.port, self.stopping = port, threading.Event()
        self.served, self.failed = 0, []
        self.start()

    def run(self):
        while not self.stopping.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as s:
                    s.settimeout(30)
                    s.sendall(b"hello")
                    equal(receive(s, 5), b"hello")
                self.served += 1
            except Exception as error:
                self.failed.append(error)

    def end(self):
        self.stopping.set()
        self.join()
        equal(self.failed, [])
        check(self.served > 0)


def test_all_under_load():
    with daemon(listener("echo", plugin("echo")), workers=3,
                drain_timeout="1m") as d:
        held = [d.connect() for _ in range(30)]
        for s in held:
            echoes(s)
        before = pids(d)
        load = [Clients(d.port("echo")) for _ in range(4)]
        said = recycle(d)
        for one in load:
            one.end()
        check(said.endswith("recycled: 3 workers\n"), said)
        for number, pid in enumerate(before, 1):
            check("worker %d: process " % number in said and
                  " in place of %d, whose connections go on: " % pid in said,
                  said)
        check(not set(before) & set(pids(d)))
        equal(sorted(pids(d, "replaced")), sorted(before))
        for s in held:                  # they stay where they are
            echoes(s)
        for s in [d.connect() for _ in range(30)]:
            echoes(s)
            s.close()
        check("replaced, until their connections end" in
              d.sluicectl("status").stdout)
        check("sluice_replaced_processes 3\n" in
              d.sluicectl("metrics").stdout)
        wait_until(lambda: len(d.ask("conns")["conns"]) == 30,
                   "all to answer in time")
        equal(sum(one["connections"] for one in
                  d.ask("generations")["generations"]), 30)
        close_all(held)
        d.wait_log("which was replaced, has ended", count=3)
        wait_until(lambda: all(gone(pid) for pid in before), "their end")
        equal(pids(d, "replaced"), [])
        check(not d.log_lines("error"))


def test_drain_timeout_ends_what_is_left():
    with daemon(listener("echo", plugin("echo")), workers=2,
                drain_timeout="100ms") as d:
        clients = [d.connect() for _ in range(8)]
        for s in clients:
            echoes(s)
        recycle(d, "1")
        d.wait_log("worker 1: process .* which was replaced, has ended")
        left = 0
        for s in clients:
            try:
                echoes(s)
                left += 1
            except Exception:
                pass
        equal(left, d.ask("status")["workers"][1]["connections"])


def test_limits_count_both():
    with daemon(listener("echo", plugin("echo"), limits={"connections": 4}),
                workers=1, drain_timeout="1m") as d:
        held = [d.connect() for _ in range(3)]
        for s in held:
            echoes(s)
        recycle(d)
        echoes(d.connect())
        expect_gone(d.connect())
        close_all(held[:1])
        wait_until(lambda: d.ask("status")["listeners"][0]["connections"] == 3,
                   "one to end")
        echoes(d.connect())


def test_kill_reaches_them():
    with daemon(listener("echo", plugin("echo")), workers=1,
                drain_timeout="1m") as d:
        s = d.connect()
        echoes(s)
        recycle(d)
        d.ask("kill", listener="echo")  # it ends it later if it is slow
        expect_gone(s)
        d.wait_log("which was replaced, has ended")


def test_plugins_of_one_worker_and_connectors():
    with daemon(listener("chat", plugin("chat")),
                listener("up", plugin("echo")), start=False, workers=2,
                drain_timeout="1m") as d:
        d.start()
        first = d.connect("chat")
        receive_line(first), receive_line(first)
        recycle(d)
        second = d.connect("chat")
        receive_line(second), receive_line(second)
        for s in first, second:     # a room each: state does not move
            s.sendall(b"/who\n")
            receive_line(s)


def test_code_that_fails_now():
    """The plugin crashes in the new process: the old one goes on."""
    flag = os.path.join(scratch(), "crash")
    with daemon(listener("c", test_plugin("command")),
                listener("s", test_plugin("service"),
                         options={"exit_if": flag}), workers=2) as d:
        s = d.connect("c")
        s.sendall(b"say x\n")
        receive_line(s)
        before = pids(d)
        with open(flag, "w"):
            pass
        said = recycle(d, status=1)
        check("worker 1: its new process exited with status 3; the old one "
              "goes on" in said, said)
        check("recycled: 0 workers" in said, said)
        equal(pids(d), before)
        s.sendall(b"say y\n")
        equal(receive_line(s), "y")
        d.reload_ready()                # nothing is left behind
        os.unlink(flag)
        recycle(d)


def test_a_reload_goes_first():
    """The new process hangs in `start`, and a reload does not wait for it."""
    flag = os.path.join(scratch(), "hang")
    with daemon(listener("s", test_plugin("service"),
                         options={"hang_if": flag}), workers=2,
                watchdog="1m") as d:
        before = pids(d)
        with open(flag, "w"):
            pass
        asked = d.control_client()
        asked.sendall(b'{"command": "workers", "action": "recycle"}\n')
        d.wait_log("recycling it")
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        d.reload_ready()
        os.unlink(flag)
        answer = asked.recv(1 << 16)
        check(b"was called off for a reload; the old one goes on" in answer,
              answer)
        equal(pids(d), before)
        recycle(d)


def test_the_old_one_dies_meanwhile():
    """Then the new one, which is coming up, is the worker."""
    flag = os.path.join(scratch(), "hang")
    with daemon(listener("s", test_plugin("service"),
                         options={"hang_if": flag}),
                listener("echo", plugin("echo")), workers=1,
                watchdog="1m") as d:
        for _ in range(2):          # the second death would have a pause
            before = pids(d)
            with open(flag, "w"):
                pass
            asked = d.control_client()
            since = d.mark()
            asked.sendall(b'{"command": "workers", "action": "recycle"}\n')
            d.wait_log(r"worker 1 \(pid \d+\) started", since)
            os.kill(before[0], signal.SIGKILL)
            d.wait_log("was killed by SIGKILL", since)
            os.unlink(flag)
            answer = asked.recv(1 << 16)
            check(b"in place of %d, which has died" % before[0] in answer,
                  answer)
            asked.close()
            check(pids(d) != before)
            echoes(d.connect("echo"))
        equal(d.ask("status")["workers"][0]["state"], "serving")
        d.reload_ready()
        recycle(d)


def test_places_are_limited():
    with daemon(listener("echo", plugin("echo")), workers=1,
                drain_timeout="1m") as d:
        held = []
        for _ in range(2):
            held.append(d.connect())
            echoes(held[-1])
            recycle(d)
        said = recycle(d, status=1)
        check("too many of its processes that were replaced still have"
              in said, said)
        held.pop().close()
        d.wait_log("has ended")
        recycle(d)
        for s in held:
            echoes(s)


def test_a_replaced_one_may_crash():
    with daemon(listener("room", test_plugin("crasher"),
                         options={"at": "data", "how": "segv"}),
                workers=1, drain_timeout="1m") as d:
        s = d.connect()
        recycle(d)
        s.sendall(b"x")
        expect_gone(s)
        d.wait_log(r"worker 1: process \d+, which was replaced, was killed "
                   "by SIGSEGV; its connections are lost")
        equal(len(d.ask("crashes")["crashes"]), 1)
        equal(len(pids(d)), 1)
        check(not d.log_lines("starting it again"))


def test_names():
    with daemon(listener("echo", plugin("echo")), workers=2) as d:
        check("there is no worker 3: they have the numbers 1 to 2"
              in recycle(d, "3", status=1))
        check("there is no worker 0" in recycle(d, "0", status=1))
        check('workers cannot "eat": the word is recycle' in
              d.sluicectl("workers", "eat").stderr)
        equal(d.sluicectl("workers").returncode, 2)


def test_stop_in_the_middle():
    flag = os.path.join(scratch(), "hang")
    with daemon(listener("s", test_plugin("service"),
                         options={"hang_if": flag}),
                watchdog="1m") as d:
        with open(flag, "w"):
            pass
        asked = d.control_client()
        asked.sendall(b'{"command": "workers", "action": "recycle"}\n')
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        os.unlink(flag)
        d.signal(signal.SIGQUIT)
        d.wait_exit(0)


main()

"""A callback that takes too long is named, and then its worker is aborted.
Time in which the worker was stopped does not count."""

import ctypes
import os
import signal
import time

from sluice_test import (SLOW, Daemon, Skip, check, equal, expect_gone,
                         is_alive, listener, main, plugin, receive,
                         run_sluiced, stat_fields, test_plugin, wait_until)


def room(how, ms=60000, at="data"):
    return listener("room", test_plugin("crasher"),
                    options={"at": at, "how": how, "ms": ms})


SLOW_LINE = (r"worker 1: callback data of plugin crasher \(listener room\) "
             r"has been running for (\d+) ms$")


def test_a_callback_that_does_not_return_is_told_of_once():
    """Its worker can tell of it only when it has returned."""
    with Daemon(room("sleep", 2000), watchdog="60s") as d:
        s = d.connect()
        for count in (1, 2):
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
            lines = d.log_lines(SLOW_LINE)
            equal(len(lines), count, "lines")
        ms = int(d.wait_log(SLOW_LINE).group(1))
        check(1000 <= ms < 1200 * SLOW, "said after", ms)


def test_stuck_is_aborted():
    with Daemon(room("sleep"), listener("echo", plugin("echo")), pairs=False,
                watchdog="500ms", workers=1) as d:
        s = d.connect()
        begun = time.monotonic()
        s.sendall(b"x")
        expect_gone(s)
        took = time.monotonic() - begun
        check(0.5 <= took < 1.2 * SLOW, "it took", took)
        equal(len(d.log_lines(SLOW_LINE)), 1)
        d.wait_log(r"worker 1: callback data of plugin crasher \(listener "
                   r"room\) has been running for \d+ ms; aborting it$")
        d.wait_log(r"worker 1 \(pid \d+\) was stuck in callback data and was "
                   r"aborted; its connections are lost; starting it again$")
        d.wait_log(r"worker 1: SIGABRT from the master$")
        d.wait_log(r"worker 1: in callback data of plugin crasher 1.0 .*room$")
        d.wait_log(r"worker 1: for connection \d+ from 127.0.0.1:\d+$")
        d.wait_log(r"worker 1: #\d+ on_data\+")
        s = d.connect("echo")
        s.sendall(b"hello")
        equal(receive(s, 5), b"hello")


def test_the_crash_of_a_child_is_not_that_of_the_worker():
    """A forked child writes no report, which would stop the watchdog."""
    with Daemon(room("fork"),
                listener("stuck", test_plugin("crasher"),
                         options={"at": "data", "how": "sleep", "ms": 60000}),
                pairs=False, watchdog="300ms", workers=1,
                control="control.sock") as d:
        s = d.connect("room")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        s = d.connect("stuck")
        s.sendall(b"x")
        expect_gone(s)
        d.wait_log("was stuck in callback data and was aborted")
        report = d.ask("crashes")["crashes"][0]["report"]
        check("SIGABRT from the master" in report, report)


def test_one_that_survives_is_killed():
    with Daemon(listener("room", test_plugin("deaf")), pairs=False,
                watchdog="200ms") as d:
        s = d.connect()
        s.sendall(b"x")
        d.wait_log(r"worker 1: .* ms; aborting it$")
        begun = time.monotonic()
        d.wait_log(r"worker 1: is still there 1 s after it was aborted; "
                   r"killing it$")
        check(0.8 <= time.monotonic() - begun < 2 * SLOW)
        d.wait_log(r"was stuck in callback data and was killed; ")
        expect_gone(s)


def test_off():
    with Daemon(room("sleep", 2500), watchdog="0") as d:
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        equal(len(d.log_lines(SLOW_LINE)), 1)
        equal(len(d.workers()), 1)
        check(not d.log_lines("abort"))


def test_reload_changes_it():
    with Daemon(room("sleep"), pairs=False, watchdog="0") as d:
        d.settings["watchdog"] = "300ms"
        d.write_config()
        equal(d.reload_ready(), 2)
        s = d.connect()
        s.sendall(b"x")
        expect_gone(s)
        d.wait_log("was stuck in callback data and was aborted")


def test_stopped_worker_is_not_killed():
    with Daemon(room("sleep", 1400), watchdog="1700ms") as d:
        s, pid = d.connect(), d.workers()[0]
        s.sendall(b"x")
        # Stopped in the callback for longer than the watchdog's limit.
        wait_until(lambda: d.log_lines(SLOW_LINE), "the slow callback")
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)		# and nothing may come of it
        os.kill(pid, signal.SIGCONT)
        equal(receive(s, 1), b"x")
        equal(d.workers()[0], pid)


def test_stopped_master_does_not_kill():
    """The master finds a callback that ran all the time it was stopped."""
    with Daemon(room("sleep", 1500), watchdog="1s") as d:
        s, pid = d.connect(), d.workers()[0]
        s.sendall(b"x")
        d.wait_log("room: last words 50")	# now it sleeps
        d.signal(signal.SIGSTOP)
        time.sleep(1.2)		# longer than the watchdog's limit
        d.signal(signal.SIGCONT)
        equal(receive(s, 1), b"x")
        equal(d.workers()[0], pid)
        check(not d.log_lines("aborting"))


PTRACE_SEIZE, PTRACE_DETACH, PTRACE_INTERRUPT = 0x4206, 17, 0x4207


def test_traced_worker_is_not_killed():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                            ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    with Daemon(room("sleep", 1500), watchdog="300ms") as d:
        s, pid = d.connect(), d.workers()[0]
        if libc.ptrace(PTRACE_SEIZE, pid, None, None) == -1:
            raise Skip("no process may be traced here")
        s.sendall(b"x")
        d.wait_log(r"worker 1: .* has been running for \d+ ms; left alone, "
                   r"as process %d traces it$" % os.getpid())
        equal(receive(s, 1), b"x")
        equal(d.workers()[0], pid)
        equal(len(d.log_lines("left alone")), 1)
        check(not d.log_lines("aborting"))
        # The debugger holds it in the callback.
        s.sendall(b"x")
        d.wait_log(SLOW_LINE, count=2)
        equal(libc.ptrace(PTRACE_INTERRUPT, pid, None, None), 0)
        wait_until(lambda: stat_fields(pid)[0] == "t", "it to stop")
        time.sleep(0.6)		# longer than the limit, and nothing happens
        os.waitpid(pid, 0x40000000)	# __WALL
        equal(libc.ptrace(PTRACE_DETACH, pid, None, None), 0)
        check(is_alive(pid))
        # The debugger has detached.
        expect_gone(s)
        d.pairs = False
        d.wait_log("was stuck in callback data and was aborted")


def test_stuck_in_start_at_a_reload():
    """The watchdog refuses the reload before its time is over."""
    with Daemon(room("none"), pairs=False, watchdog="300ms",
                probation="0") as d:
        d.listeners[0] = listener(
            "room", test_plugin("crasher", STATE=2),
            options={"at": "start", "how": "sleep", "ms": 60000})
        d.write_config()
        begun = time.monotonic()
        text = d.reload_refused()
        check("worker 1 was stuck in callback start and was aborted\n"
              in text, text)
        check(time.monotonic() - begun < 2 * SLOW)
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_stuck_in_start_at_the_start():
    """What makes a reload fail keeps the daemon from starting."""
    with Daemon(room("sleep", at="start"), start=False,
                watchdog="300ms") as d:
        result = run_sluiced("-c", d.config)
        equal(result.returncode, 1)
        for text in ("worker 1: callback start has been running for",
                     "was stuck in callback start and was aborted",
                     "in callback start of plugin crasher 1.0"):
            check(text in result.stderr, result.stderr)


def test_late_workers_without_a_watchdog():
    """A worker that did not answer in time gets a little more."""
    with Daemon(room("none"), pairs=False, watchdog="0") as never, \
            Daemon(room("none"), watchdog="0") as late:
        s, pid = late.connect(), late.workers()[0]
        for d, ms in ((never, 60000), (late, 6000)):
            d.listeners[0] = listener(
                "room", test_plugin("crasher", STATE=2),
                options={"at": "start", "how": "sleep", "ms": ms})
            d.write_config()
            d.reload(wait=False)
        for d in (never, late):
            d.wait_log(r"worker 1 did not answer within 5 s")
            d.wait_log(r"reload refused")
        begun = time.monotonic()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        never.wait_log(r"worker 1 \(pid \d+\) was stuck in callback start "
                       r"and was aborted; ")
        check(1.5 < time.monotonic() - begun < 3 * SLOW)
        again = never.connect()
        again.sendall(b"x")
        equal(receive(again, 1), b"x")
        time.sleep(0.3)		# its deadline was cancelled
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        equal(late.workers()[0], pid)


if __name__ == "__main__":
    main()

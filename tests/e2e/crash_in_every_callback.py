"""After a crash in any callback, the worker has left a report, other workers
are not affected, and the listener is served again."""

import os
import re
import signal

from sluice_test import (BAD_LINES, SANITIZED, Daemon, check, equal,
                         expect_gone, listener, main, plugin, receive, reset,
                         test_plugin, wait_until)

# Each way to crash, and the signal that the worker dies by.
WAYS = {"segv": "SIGSEGV", "abort": "SIGABRT", "fpe": "SIGFPE",
        "bus": "SIGBUS", "stack": "SIGSEGV", "heap": "SIGABRT"}
EVENTS = ("open", "data", "drain", "end", "timeout", "close", "error",
          "timer")
if SANITIZED:
    del WAYS["heap"]  # a sanitizer stops the process before

# What the C library prints before it aborts.
EXPECTED = re.compile(r"free\(\): invalid|munmap_chunk|corrupted")


class CrashingDaemon(Daemon):
    def check_log(self):
        bad = [line for line in self.log_lines(BAD_LINES.pattern)
               if not EXPECTED.search(line)]
        check(not bad, "in the log:", *bad[:3])


def crasher(at, how, **defines):
    settings = {"timeouts": {"idle": "100ms"}} if at == "timeout" else {}
    return listener("%s-%s" % (at, how), test_plugin("crasher", **defines),
                    options={"at": at, "how": how}, **settings)


def provoke(d, name, at):
    """Make a connection whose worker reaches that callback."""
    s = d.connect(name, receive_buffer=4096 if at == "drain" else None)
    if at == "data":
        s.sendall(b"x")
    elif at == "drain":
        s.sendall(b"fill\n")
    elif at == "end":
        s.shutdown(1)
    elif at in ("close", "error"):
        s.sendall(b"x")
        receive(s, 1)
        (reset if at == "error" else type(s).close)(s)
        return None
    return s


def check_report(d, name, at, how):
    """Check the report that the master has logged of the crash."""
    said = d.wait_log(r"worker (\d+): in callback %s of plugin crasher "
                      r".*listener %s$" % (at, name))
    worker = said.group(1)
    lines = d.log_lines(r"error master: worker %s[: ]" % worker)
    at_line = next(i for i, line in enumerate(lines)
                   if line.endswith("listener " + name))
    check(re.search(r"worker %s: %s\b" % (worker, WAYS[how]),
                    lines[at_line - 1]), "the signal is not named:",
          lines[at_line - 1])
    check(re.search(r"was killed by %s" % WAYS[how], lines[at_line - 2]),
          "it died in another way:", lines[at_line - 2])
    return int(worker) - 1


def echoes(s):
    s.sendall(b"hello")
    equal(receive(s, 5), b"hello")


def test_events():
    """All ways in all callbacks of a connection.  No worker crashes more than
    three times, so that its restart does not wait long."""
    cases = [(at, how) for at in EVENTS for how in WAYS]
    workers = (len(cases) + 2) // 3 + 1
    listeners, rest = [], list(cases)
    # Listener i is served by worker i % workers; worker 1 never crashes.
    while rest:
        if len(listeners) % workers == 0:
            listeners.append(crasher("never", str(len(listeners))))
        else:
            listeners.append(crasher(*rest.pop()))
    with CrashingDaemon(*listeners, workers=workers, pairs=False,
                        log={"access": False}, probation="0") as d:
        bystander = d.workers()[0]
        quiet = [d.connect("never-0") for _ in range(20)]
        for s in quiet:
            echoes(s)
        for at, how in cases:
            name = "%s-%s" % (at, how)
            s = provoke(d, name, at)
            # Not sooner: the worker would die before it sends its queue.
            if at == "drain":
                wait_until(lambda: s.recv(1 << 18), "output")
            if s is not None:
                expect_gone(s)
            check_report(d, name, at, how)
        for s in quiet:
            echoes(s)
        equal(d.workers()[0], bystander, "the worker of the others")
        for at, how in cases:
            if at in ("drain", "end"):
                echoes(d.connect("%s-%s" % (at, how)))


def test_start():
    """A reload whose `start` crashes is refused."""
    with CrashingDaemon(crasher("never", "segv"), pairs=False, workers=2,
                        probation="0") as d:
        for how in WAYS:
            s = d.connect()
            echoes(s)
            d.listeners[0] = dict(crasher("start", how, STATE=2), name="never-segv")
            d.write_config()
            since = d.mark()
            text = d.reload_refused()
            check(re.search(r"start .*worker 1 was killed by %s\n"
                            % WAYS[how], text), text)
            d.wait_log(r"worker 1: in callback start of plugin crasher", since)
            expect_gone(s)
        s = d.connect()
        echoes(s)


def test_migrate():
    """`migrate` is called after the commit: the worker dies, and its successor
    begins in the new generation, with nothing to migrate."""
    old = [crasher("migrate", how) for how in WAYS]
    new = [crasher("migrate", how, STATE=2, VERSION="2.0") for how in WAYS]
    with CrashingDaemon(*old, pairs=False, workers=len(old),
                        probation="0") as d:
        clients = [d.connect(one["name"]) for one in old]
        for s in clients:
            echoes(s)
        d.listeners = new
        d.write_config()
        equal(d.reload_ready(), 2)
        for how in WAYS:
            d.wait_log(r"in callback migrate of plugin crasher 2.0 .*"
                       r"generation 2\), listener migrate-%s$" % how)
        for s in clients:
            expect_gone(s)
        for one in new:
            echoes(d.connect(one["name"]))


def test_exit():
    """A plugin that calls exit(3) counts as a crash, too."""
    with Daemon(crasher("data", "exit"), pairs=False) as d:
        s = d.connect()
        s.sendall(b"x")
        expect_gone(s)
        d.wait_log(r"worker 1 \(pid \d+\) exited with status 3; its "
                   r"connections are lost; starting it again$")
        # It leaves no report, but the board shows where it was.
        d.wait_log(r"worker 1: in callback data of plugin crasher "
                   r"\(listener data-exit\)$")
        d.wait_log(r"worker 1: 1 connection was lost with it$")
        d.connect()


def test_signal_of_a_timer():
    """It comes when no callback runs: the log says whose the last one was."""
    with CrashingDaemon(crasher("data", "alarm"), control="control.sock") as d:
        s = d.connect()
        s.sendall(b"x")
        expect_gone(s)
        d.wait_log(r"worker 1 \(pid \d+\) was killed by SIGALRM")
        d.wait_log(r"worker 1: in (no callback; the last one was|callback "
                   r"\w+) of plugin crasher \(listener data-alarm\)$")


def test_end_of_a_worker_while_stopping():
    with CrashingDaemon(crasher("stop", "exit0")) as d:
        d.stop()
        d.wait_log(r"worker 1 \(pid \d+\) exited with status 0 while "
                   r"stopping$")
        d.wait_log(r"worker 1: in callback stop of plugin crasher "
                   r"\(listener stop-exit0\)$")
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        echoes(s)
        s.close()
        d.stop()
        equal(d.log_lines(r"Z (error|warn) "), [])


def test_killed_without_a_report():
    """As the kernel kills a process that uses too much memory."""
    sleeps = crasher("data", "sleep")
    sleeps["options"]["ms"] = 60000
    with CrashingDaemon(sleeps, listener("echo", plugin("echo")), workers=1,
                        watchdog="0", control="control.sock") as d:
        idle = [d.connect("echo") for _ in range(4)]
        for s in idle:
            echoes(s)
        idle.pop().close()
        d.wait_log("closed why=peer")
        os.kill(d.workers()[0], signal.SIGKILL)
        d.wait_log(r"worker 1: 3 connections were lost with it$")
        d.wait_log(r"worker 1: in no callback; the last one was of plugin echo "
                   r"\(listener echo\)$")
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        since, s = d.mark(), d.connect("data-sleep")
        s.sendall(b"x")
        d.wait_log("callback data .* has been running for", since)
        os.kill(d.workers()[0], signal.SIGKILL)
        expect_gone(s)
        d.wait_log(r"worker 1: in callback data of plugin crasher "
                   r"\(listener data-sleep\)$", since)
        said = d.ask("crashes")["crashes"]
        equal([one["connections"] for one in said], [3, 1])
        equal([one["report"].splitlines()[0] for one in said],
              ["in no callback; the last one was of plugin echo (listener "
               "echo)", "in callback data of plugin crasher (listener "
               "data-sleep)"])
        text = d.sluicectl("crashes").stdout
        check("was killed by SIGKILL; connections lost: 3\n    in no callback; "
              in text, text)


def test_signal_from_outside():
    with Daemon(listener("echo", plugin("echo"))) as d:
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE):
            since = d.mark()
            echoes(d.connect())
            os.kill(d.workers()[0], number)
            d.wait_log(r"worker 1: %s from process %d$"
                       % (number.name, os.getpid()), since)
            d.wait_log(r"worker 1: in no callback$", since)
            d.wait_log(r"worker 1 \(pid \d+\) started", since)


if __name__ == "__main__":
    main()

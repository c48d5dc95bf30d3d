"""A signal that comes while the daemon starts is handled when it is ready."""

import os
import signal
import sys

from sluice_test import (SLUICED, Daemon, check, equal, listener, main,
                         plugin, receive, wait_until)

# A signal that is only blocked by the mask is delivered as soon as it is
# unblocked.
PENDING = """
import os, signal, sys
number = int(sys.argv[1])
signal.signal(number, signal.SIG_IGN if sys.argv[2] == "nohup"
              else signal.SIG_DFL)
if sys.argv[2] != "nohup":
    signal.pthread_sigmask(signal.SIG_BLOCK, {number, signal.SIGALRM})
if sys.argv[2] == "pending":
    os.kill(os.getpid(), number)
os.execv(sys.argv[3], sys.argv[3:])
"""


def launcher(number, how):
    return [sys.executable, "-c", PENDING, str(int(number)), how]


def echoes(d):
    s = d.connect()
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def test_sighup_during_start():
    with Daemon(listener("echo", plugin("echo")),
                launcher=launcher(signal.SIGHUP, "pending")) as d:
        echoes(d)
        d.reload_ready()


def test_sigterm_during_start():
    with Daemon(listener("echo", plugin("echo")), start=False,
                launcher=launcher(signal.SIGTERM, "pending")) as d:
        d.start(wait=False)
        d.wait_log(r"stopping \(SIGTERM\)")
        d.wait_exit(0)


def test_sigusr1_during_start():
    with Daemon(listener("echo", plugin("echo")),
                launcher=launcher(signal.SIGUSR1, "pending")) as d:
        d.wait_log("SIGUSR1")
        echoes(d)


def test_nohup_does_not_stop_reloads():
    """Signals ignored at the start are handled all the same."""
    for number in (signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1):
        with Daemon(listener("echo", plugin("echo")),
                    launcher=launcher(number, "nohup")) as d:
            d.reload_ready()
            d.signal(signal.SIGUSR1)
            d.wait_log("SIGUSR1 from process")
            echoes(d)


def test_a_storm_during_start():
    """SIGHUPs at any moment of the start: it serves, and reloads."""
    for _ in range(10):
        with Daemon(listener("echo", plugin("echo")), start=False,
                    launcher=launcher(signal.SIGHUP, "pending")) as d:
            d.start(wait=False)
            wait_until(lambda: os.readlink("/proc/%d/exe" % d.pid)
                       == os.path.realpath(SLUICED),
                       "exec")
            for _ in range(50):
                d.signal(signal.SIGALRM)
                d.signal(signal.SIGHUP)
            d.wait_log(r"generation 1 ready")
            check(d.process.poll() is None, "it ended")
            echoes(d)


main()

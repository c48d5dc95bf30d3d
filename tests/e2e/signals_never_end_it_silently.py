"""No signal ends the master without a line in the log."""

import os
import signal

from sluice_test import (SANITIZED, Daemon, check, equal, family,
                         is_alive, listener, main, plugin, receive,
                         wait_until)

# Signals that the kernel, people by habit, and containers send.
HARMLESS = [signal.SIGUSR1, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF,
            signal.SIGIO, signal.SIGPWR, signal.SIGSTKFLT, signal.SIGXCPU,
            signal.SIGRTMIN, signal.SIGRTMIN + 3, signal.SIGRTMAX]
SILENT = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTIN, signal.SIGTTOU,
          signal.SIGWINCH, signal.SIGURG, signal.SIGCHLD, signal.SIGCONT]
FAULTS = [signal.SIGABRT, signal.SIGSYS, signal.SIGTRAP]
if not SANITIZED:       # a sanitizer reports these itself
    FAULTS += [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL]


def name_of(number):
    if number > signal.SIGRTMIN:
        return r"SIGRTMIN\+%d" % (number - signal.SIGRTMIN)
    if number == signal.SIGIO:
        return "SIG(IO|POLL)"
    return signal.Signals(number).name


def echo(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def send_all(d):
    for number in HARMLESS:
        since = d.mark()
        d.signal(number)
        d.wait_log("master: %s" % name_of(number), since)
    for number in SILENT:
        d.signal(number)


def test_harmless_ones():
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        echo(s)
        send_all(d)
        echo(s)
        check(d.log_lines(r"SIGUSR1 from process %d \(uid %d\): there are no "
                          r"log files to reopen" % (os.getpid(),
                                                    os.getuid())))
        d.reload_ready()


def test_while_draining():
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s") as d:
        s = d.connect()
        echo(s)
        d.signal(signal.SIGTERM)
        d.wait_log("draining for at most 60 s")
        send_all(d)
        d.signal(signal.SIGHUP)
        d.wait_log("SIGHUP: no reload, since sluiced is stopping")
        echo(s)
        s.close()
        d.wait_exit(0)


def test_sigquit_does_not_drain():
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s") as d:
        s = d.connect()
        echo(s)
        d.signal(signal.SIGQUIT)
        d.wait_log(r"stopping at once \(SIGQUIT\)")
        d.wait_exit(0)
    with Daemon(listener("echo", plugin("echo")), drain_timeout="60s") as d:
        s = d.connect()
        echo(s)
        d.signal(signal.SIGTERM)
        d.wait_log("draining")
        d.signal(signal.SIGQUIT)
        d.wait_log(r"stopping at once \(SIGQUIT\)")
        d.wait_exit(0)


def test_workers_are_not_meant():
    """killall(1) sends signals to workers as well."""
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        echo(s)
        worker = d.workers()[0]
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT,
                       signal.SIGHUP, signal.SIGINT, signal.SIGPWR,
                       signal.SIGXFSZ, signal.SIGXCPU, signal.SIGPIPE,
                       signal.SIGTTOU):
            os.kill(worker, number)
            echo(s)
        check(is_alive(worker))


def test_the_limit_of_cpu_time_is_announced():
    with Daemon(listener("echo", plugin("echo")),
                launcher=["sh", "-c", 'ulimit -t 9999; exec "$@"',
                          "sh"]) as d:
        d.wait_log(r"RLIMIT_CPU: .* has used 9999 s; see ulimit -t")
        d.signal(signal.SIGXCPU)
        d.wait_log("SIGXCPU: .*kills it at the hard limit of 9999 s: raise")


def test_a_fault_is_logged():
    for number in FAULTS:
        with Daemon(listener("echo", plugin("echo")),
                    launcher=["sh", "-c", 'ulimit -c 0; exec "$@"',
                              "sh"]) as d:
            d.signal(number)
            d.wait_log("error master: %s from process %d: the master dies" % (
                name_of(number), os.getpid()))
            equal(d.process.wait(), -number, "exit status")
            wait_until(lambda: not family(d), "the workers")
            d.reader.join(15)
            d.process = None


main()

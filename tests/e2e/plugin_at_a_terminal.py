"""At a terminal, plugin code cannot read what is typed, and cannot type."""

import fcntl
import os
import re
import select
import signal
import socket
import termios
import time

from sluice_test import (DEADLINE, SLOW, SLUICED, Daemon, check, equal,
                         listener, main, receive, receive_line, run_program,
                         scratch, test_plugin, wait_until)

TYPED = b"for the shell\n"


class Terminal:
    """A program at a terminal of its own, where a user has typed ahead."""

    def __init__(self, *arguments):
        # We keep the other end, as the shell does.
        self.fd, self.slave = os.openpty()
        os.write(self.fd, TYPED)
        self.shown = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(self.slave, fd)
            os.execv(SLUICED, [SLUICED] + list(arguments))

    def __enter__(self):
        return self

    def __exit__(self, *what):
        os.close(self.slave)
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def look(self, seconds=0.0):
        if select.select([self.fd], [], [], seconds)[0]:
            self.shown += os.read(self.fd, 1 << 16)

    def wait_shown(self, regex):
        def there():
            self.look(0.05)
            return re.search(regex, self.shown)
        return wait_until(there, lambda: "%r in %r" % (regex, self.shown))

    def wait_exit(self):
        def ended():
            self.look(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return pid and (status,)
        status = wait_until(ended, lambda: "its end: %r" % self.shown)[0]
        self.pid = None
        self.look()
        return os.waitstatus_to_exitcode(status)

    def unread(self):
        """What a shell would read from the terminal now."""
        flags = fcntl.fcntl(self.slave, fcntl.F_GETFL)
        fcntl.fcntl(self.slave, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        found = b""
        try:
            while True:
                found += os.read(self.slave, 1 << 12)
        except BlockingIOError:
            return found

    def is_untouched(self, report):
        wait_until(lambda: "done\n" in read(report), "the plugin's report")
        equal(set(read(report).split("\n")), {"done", ""}, "the plugin's report")
        equal(self.unread(), TYPED, "what is left for the shell")


def read(path):
    with open(path) as file:
        return file.read()


def new_report():
    path = os.path.join(scratch(), "report-%d" % time.monotonic_ns())
    with open(path, "w"):
        os.chmod(path, 0o666)       # for a plugin of any user
    return path


def test_describe():
    report = new_report()
    path = test_plugin("terminal", CONSTRUCTOR=True, REPORT=report)
    with Terminal("--describe", path) as t:
        equal(t.wait_exit(), 0)
        t.is_untouched(report)
        check(b"the plugin prints" in t.shown, t.shown)
        check(b"terminal" in t.shown, t.shown)


def test_check():
    report = new_report()
    with Daemon(listener("x", test_plugin("terminal", CONSTRUCTOR=True,
                                          REPORT=report)),
                start=False) as d:
        with Terminal("-t", "-c", d.config) as t:
            equal(t.wait_exit(), 0)
            t.is_untouched(report)
            check(b"is valid" in t.shown, t.shown)


def serves(*arguments):
    report = new_report()
    with Daemon(listener("x", test_plugin("terminal", REPORT=report)),
                start=False) as d:
        with Terminal("-c", d.config, *arguments) as t:
            port = int(t.wait_shown(rb"listening on 127.0.0.1:(\d+)").group(1))
            t.wait_shown(rb"generation 1 ready")
            with socket.create_connection(("127.0.0.1", port),
                                          DEADLINE * SLOW) as s:
                s.sendall(b"go\n")
                equal(receive_line(s), "ok")
                t.is_untouched(report)
                # Lines of a worker are shown as well.
                os.kill(t.pid, signal.SIGTERM)
            t.wait_shown(rb"worker 1: .*closed why=")
            equal(t.wait_exit(), 0)


def test_foreground():
    serves()


def test_watch():
    serves("--watch")


def test_control_c_drains():
    """Only the master gets SIGINT; no worker dies of it."""
    with Daemon(listener("x", test_plugin("terminal")), start=False,
                drain_timeout="60s") as d:
        with Terminal("-c", d.config) as t:
            port = int(t.wait_shown(rb"listening on 127.0.0.1:(\d+)").group(1))
            t.wait_shown(rb"generation 1 ready")
            with socket.create_connection(("127.0.0.1", port),
                                          DEADLINE * SLOW) as s:
                s.sendall(b"go\n")
                equal(receive_line(s), "ok")
                os.write(t.fd, b"\3")
                t.wait_shown(rb"stopping \(SIGINT")
                s.sendall(b"go\n")
                equal(receive_line(s), "ok", "while it drains")
            equal(t.wait_exit(), 0)


def test_socket_of_a_remote_shell():
    """Plugins cannot read from a socket at standard input, either."""
    report = new_report()
    path = test_plugin("terminal", CONSTRUCTOR=True, REPORT=report)
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE * SLOW)
    ours.sendall(TYPED)
    pid = os.fork()
    if pid == 0:
        for fd in (0, 1, 2):
            os.dup2(theirs.fileno(), fd)
        os.execv(SLUICED, [SLUICED, "--describe", path])
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    equal(theirs.recv(100, socket.MSG_DONTWAIT), TYPED)
    equal(read(report), "done\n")
    theirs.close()
    shown = b""
    while not re.search(rb"server: +data", shown):
        shown += receive(ours, 1)
    check(b"the plugin prints" in shown, shown)
    ours.close()


def test_lines_stay_whole():
    """Lines of workers and master do not mix at one terminal."""
    with Daemon(listener("x", test_plugin("command")), start=False,
                workers=1) as d:
        with Terminal("-c", d.config, "-v") as t:
            port = int(t.wait_shown(rb"listening on 127.0.0.1:(\d+)").group(1))
            t.wait_shown(rb"generation 1 ready")
            for number in range(2, 6):
                os.kill(t.pid, signal.SIGHUP)
                for _ in range(20):
                    socket.create_connection(("127.0.0.1", port)).close()
                t.wait_shown(rb"generation %d ready" % number)
            os.kill(t.pid, signal.SIGTERM)
            equal(t.wait_exit(), 0)
            for line in t.shown.replace(TYPED.replace(b"\n", b"\r\n"),
                                        b"").split(b"\r\n"):
                check(re.match(rb"$|\S+Z \w+ +[\w ]+: ", line), line)
                equal(len(re.findall(rb"\d+Z (?:info|debug|warn) ", line)) <= 1,
                      True, line)


def test_files_continue_where_it_ended():
    """Output of shell, sluiced and children to one file stays in order."""
    path = test_plugin("terminal", CONSTRUCTOR=True)
    out = os.path.join(scratch(), "out")
    run_program(["sh", "-c", "{ echo first; %s --describe %s; echo last; } "
                 "> %s 2>&1" % (SLUICED, path, out)])
    lines = read(out).splitlines()
    equal((lines[0], lines[1], lines[-1]),
          ("first", "the plugin prints", "last"))
    check(any(line.startswith("server:") for line in lines), lines)


main()

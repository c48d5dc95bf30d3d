"""The daemon never waits for a reader of its log; lines are lost instead."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import tty

from sluice_test import (DEADLINE, SLOW, Daemon, Skip, check, children, equal,
                         free_address, listener, main, need, need_root, plugin,
                         receive, receive_line, test_plugin, wait_until)

FLOOD = 30000           # lines; more than a terminal and a worker hold
RELOADS = 60            # their lines are more than a terminal holds


class Logging(Daemon):
    """A daemon with a standard error that the test chooses."""

    def __init__(self, name, plugin_path, stderr, **settings):
        self.address = free_address()
        super().__init__(listener(name, plugin_path, listen=self.address),
                         start=False, pass_fds=[stderr], pairs=False,
                         control="control.sock", **settings)
        self.launcher = ["sh", "-c", 'fd=$1; shift; eval "exec \\"\\$@\\" '
                         '2>&$fd $fd>&-"', "sh", str(stderr)]
        self.wants_start = False

    def open(self):
        return self.connect(address=self.address)

    def ready(self):
        try:
            return self.ask("status").get("generation") == 1
        except (FileNotFoundError, ConnectionRefusedError):
            return False            # not bound yet, or not listening yet

    def begin(self):
        self.start(wait=False)
        wait_until(self.ready, "the daemon")

    def descendants(self):
        found, new = [], [self.pid]
        while new:
            found += new
            new = [child for pid in new for child in children(pid)]
        return found[1:]

    def finish(self):
        self.signal(signal.SIGTERM)
        self.wait_exit(0)


class Terminal:
    """A terminal, and the text shown on it."""

    def __init__(self):
        self.far, self.near = pty.openpty()
        tty.setraw(self.near)
        os.set_blocking(self.far, False)
        self.shown = ""

    def read(self):
        while select.select([self.far], [], [], 0)[0]:
            try:
                data = os.read(self.far, 1 << 16)
            except OSError:
                return self.shown
            self.shown += data.decode("utf-8", "replace")
        return self.shown

    def wait(self, regex):
        wait_until(lambda: re.search(regex, self.read()),
                   lambda: "%s in %s" % (regex, self.shown[-1000:]))

    def close(self):
        os.close(self.far)
        os.close(self.near)


def flood(d, s):
    """Worker and master log more than fits."""
    s.sendall(b"got\n" * FLOOD + b"say still here\n")
    equal(receive_line(s), "still here")
    for _ in range(20):
        d.signal(signal.SIGUSR1)
    for _ in range(RELOADS):
        check(d.ask("reload", wait=True)["ok"])
    check(d.ask("status")["ok"])


def told_of_loss(d, s, terminal):
    s.sendall(b"say here\n")
    equal(receive_line(s), "here")
    d.signal(signal.SIGALRM)
    return all(re.search(who + r": \d+ lines were lost: nobody read the log",
                         terminal.read()) for who in ("worker 1", "master"))


def unread(stop):
    terminal = Terminal()
    d = Logging("c", test_plugin("command"), terminal.near)
    with d:
        d.begin()
        s = d.open()
        s.sendall(b"say x\n")
        equal(receive_line(s), "x")
        terminal.read()
        if stop:
            termios.tcflow(terminal.near, termios.TCOOFF)
        flood(d, s)
        if stop:
            termios.tcflow(terminal.near, termios.TCOON)
        # Repeated, because a terminal shows with some delay.
        wait_until(lambda: told_of_loss(d, s, terminal),
                   lambda: "lost lines in " + terminal.shown[-1000:])
        terminal.wait("SIGALRM")
        # The shell shares the file of the terminal: it stays blocking.
        check(not fcntl.fcntl(terminal.near, fcntl.F_GETFL) & os.O_NONBLOCK)
        # Lines do not run into one another: one time in each.
        for line in terminal.shown.replace("\r", "").split("\n"):
            if "worker 1" not in line and "reader" not in line:
                check(len(re.findall(r"\d{4}-\d\d-\d\dT", line)) <= 1, line)
        s.close()
        d.finish()
    terminal.close()


def test_a_terminal_that_nobody_reads():
    unread(False)


def test_a_terminal_that_was_stopped():
    """The terminal was stopped by Ctrl-S."""
    unread(True)


def test_watch_mode_at_a_terminal_that_nobody_reads():
    terminal = Terminal()
    d = Logging("echo", plugin("echo"), terminal.near)
    d.arguments.append("--watch")
    with d:
        d.begin()
        terminal.wait("generation 1 ready")
        termios.tcflow(terminal.near, termios.TCOOFF)
        for _ in range(100):        # until the terminal is full
            check(d.ask("reload", wait=True)["ok"])
        before = d.ask("status")["generation"]
        d.listener("echo")["backlog"] = 99
        d.write_config()
        wait_until(lambda: d.ask("status")["generation"] > before,
                   "the changed file")
        d.listener("echo")["backlog"] = 98
        d.write_config()
        wait_until(lambda: d.ask("status")["generation"] > before + 1,
                   "the file that changed again")
        termios.tcflow(terminal.near, termios.TCOON)
        terminal.read()
        d.listener("echo")["backlog"] = 97
        d.write_config()
        terminal.wait(r"\x1b\[32m-- generation \d+ is live, after .*\x1b\[0m")
        d.finish()
    terminal.close()


def test_a_disk_that_is_slow():
    """Each write to the file takes three seconds; the daemon is not slower."""
    strace = need("strace")
    if subprocess.run([strace, "-qq", "-o", "/dev/null", "true"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("strace cannot trace here")
    path = "/dev/shm/sluice-test-%d" % os.getpid()
    with open(path, "a") as file:
        d = Logging("c", test_plugin("command"), file.fileno())
        d.launcher = [strace, "-f", "-qq", "-o", "/dev/null", "-P", path,
                      "-e", "inject=write:delay_enter=3000000"] + d.launcher
        d.env["ASAN_OPTIONS"] = "detect_leaks=0"
        try:
            with d:
                d.start(wait=False)
                wait_until(d.ready, "the daemon", seconds=2 * DEADLINE)
                s = d.open()
                s.settimeout(2.5 * SLOW)
                for number in range(20):        # 20 lines are a minute
                    s.sendall(b"say %d\n" % number)
                    equal(receive_line(s), str(number))
                check(d.ask("status")["ok"])
                for pid in [d.pid] + d.descendants():
                    os.kill(pid, signal.SIGKILL)
                d.process.wait()
                d.process = None
        finally:
            os.unlink(path)


def test_a_file_gets_all_lines_in_order():
    """Lines that are still in memory at the end are written, too."""
    with open("/dev/shm/sluice-test-%d" % os.getpid(), "a+") as file:
        os.unlink(file.name)
        d = Logging("c", test_plugin("command"), file.fileno())
        with d:
            d.begin()
            s = d.open()
            s.sendall(b"got\n" * 500 + b"say still here\n")
            equal(receive_line(s), "still here")
            s.close()
            d.finish()
        file.seek(0)
        lines = file.read().splitlines()
        check(not [line for line in lines if "lost" in line], lines[-3:])
        equal(len([line for line in lines if "got" in line]), 500)
        check(lines[-1].endswith("master: stopped"), lines[-1])
        for line in lines:
            check(re.match(r"\S+Z \w+ +[\w ]+: ", line), line)


def test_whoever_shares_the_file_overwrites_nothing():
    """For example a script that has started it with 2> instead of 2>>."""
    path = "/dev/shm/sluice-test-%d" % os.getpid()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.unlink(path)
    with open(fd, "r+b", buffering=0) as file:
        file.write(b"before\n")
        d = Logging("echo", plugin("echo"), fd)
        with d:
            d.begin()
            d.finish()
        file.write(b"after\n")
        file.seek(0)
        lines = file.read().decode().splitlines()
        equal(lines[0], "before")
        check(" starting, configuration " in lines[1], lines[1])
        check(lines[-2].endswith("master: stopped"), lines[-2])
        equal(lines[-1], "after")


def truncated(own):
    """A file that is emptied meanwhile, as logrotate's copytruncate does."""
    path = "/dev/shm/sluice-test-%d" % os.getpid()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if own:
        os.fchown(fd, 65534, 65534)
    with open(fd, "wb"), open(path, "rb") as reading:
        os.unlink(path)
        d = Logging("echo", plugin("echo"), fd)
        d.launcher = [need("setpriv"), "--reuid=65534", "--regid=65534",
                      "--clear-groups"] + d.launcher
        os.chown(d.directory, 65534, 65534)
        with d:
            d.begin()
            d.open().close()
            wait_until(lambda: reading.seek(0) == 0 and
                       b"conn 1 " in reading.read(), "the access line")
            os.ftruncate(fd, 0)
            os.kill(d.pid, signal.SIGUSR1)
            d.open().close()
            d.finish()
        reading.seek(0)
        said = reading.read()
        check(b"\0" not in said, said[:100])
        for what in (b"SIGUSR1", b"conn 2 ", b"stopped"):
            check(what in said, what, said)


def test_a_file_is_truncated():
    need_root()
    truncated(own=True)


def test_a_file_that_cannot_be_opened_again_is_truncated():
    need_root()
    truncated(own=False)


main()

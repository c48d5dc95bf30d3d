"""A daemon whose log goes to a file, which is read like its standard error."""

import fcntl
import os
import termios
import threading
import time

from harness.checks import wait_until
from harness.daemon import Daemon
from harness.process import descriptors, family, title


class Filed(Daemon):
    """Its lines are those of standard error and of the file together.

    A file that is renamed is read to its end before the new one.
    """

    def __init__(self, *listeners, name="sluice.log", log=None, **more):
        super().__init__(*listeners, start=False,
                         log=dict(log or {}, file=name), **more)
        self.log_path = self.path(name)
        self.wants_start = True
        self.tail = threading.Thread(target=self.follow, daemon=True)
        self.followed, self.rest = None, b""
        self.gone = False

    def start(self, wait=True):
        if not self.tail.is_alive():
            self.tail.start()
        super().start(wait)

    def follow(self):
        while not self.gone:
            if not self.take():
                time.sleep(0.002)

    def take(self):
        """One look at the file.  Returns whether there was anything."""
        with self.changed:
            data = self.followed.read(1 << 16) if self.followed else b""
            if not data:
                self.renew()
                return False
            lines = (self.rest + data).split(b"\n")
            self.rest = lines.pop()
            self.lines += [line.decode("utf-8", "replace") for line in lines]
            self.changed.notify_all()
            return True

    def renew(self):
        try:
            there = os.stat(self.log_path)
        except OSError:
            return
        if self.followed is None or there.st_ino != os.fstat(
                self.followed.fileno()).st_ino:
            if self.followed is not None and self.log_process() and \
                    self.holds(self.followed):
                return          # more may come
            self.followed = open(self.log_path, "rb", buffering=0)

    def holds(self, file):
        """Does a process of the daemon have this file open?"""
        sought = os.fstat(file.fileno())
        for pid in family(self):
            for fd in descriptors(pid) or {}:
                try:
                    there = os.stat("/proc/%d/fd/%d" % (pid, fd))
                except OSError:
                    continue
                if (there.st_dev, there.st_ino) == (sought.st_dev,
                                                    sought.st_ino):
                    return True
        return False

    def log_process(self):
        """The pid of the process that writes the log, or None."""
        for pid in family(self):
            if title(pid) == "sluiced: log":
                return pid
        return None

    def settle(self):
        super().settle()
        pid = self.log_process()
        if pid is None or self.followed is None:
            return
        wait_until(lambda: unread(pid) == 0, "the log process to read")
        super().settle()
        wait_until(lambda: not self.take(), "the end of the log")

    def remove(self):
        self.gone = True
        super().remove()


def unread(pid):
    """Bytes in the pipes of a log process."""
    return sum(bytes_in("/proc/%d/fd/%d" % (pid, fd)) for fd in (0, 4))


def bytes_in(path):
    room = bytearray(4)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, termios.FIONREAD, room)
    finally:
        os.close(fd)
    return int.from_bytes(room, "little")

"""Everything that one callback writes is sent in one system call."""

import re
import shutil
import signal
import subprocess

from sluice_test import (Daemon, Skip, check, equal, listener, main, pattern,
                         receive, receive_line, test_plugin)


LAST = b"nobody else says exactly this many"


class Strace:
    """strace, attached to one worker."""

    def __init__(self, d):
        if shutil.which("strace") is None:
            raise Skip("strace is not installed")
        self.path = d.path("strace.out")
        self.process = subprocess.Popen(
            ["strace", "-o", self.path, "-s", "0", "-e",
             "trace=sendto,sendmsg,write,writev,setsockopt",
             "-p", str(d.workers()[0])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        line = self.process.stdout.readline()
        if "attached" not in line:
            self.process.wait()
            raise Skip("strace may not attach: " + line.strip())

    def sends(self):
        """Bytes of each send to a connection, without channel and log."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()
        found = []
        with open(self.path) as file:
            for line in file:
                match = re.match(r"(\w+)\((\d+),.* = (-?\d+)", line)
                if match and int(match.group(2)) > 3 and (
                        match.group(1) != "setsockopt"):
                    found.append(int(match.group(3)))
        return found


def sends_of(commands, size, **limits):
    with Daemon(listener("c", test_plugin("command"),
                         options={"trace": False},
                         limits=limits or {"read_buffer": "64KiB"})) as d:
        s = d.connect()
        s.sendall(b"say x\n")
        receive_line(s)
        strace = Strace(d)
        s.sendall(commands)
        equal(receive(s, size), pattern(size))
        if b"\nend " in commands:
            return strace.sends()
        # When this is answered, strace has recorded all that came before.
        s.sendall(b"say %s\n" % LAST)
        equal(receive_line(s), LAST.decode())
        sends = strace.sends()
        return sends[:-1] if sends[-1:] == [len(LAST) + 1] else sends


def test_five_small_writes():
    equal(sends_of(b"writes 5 1\n", 5), [5])


def test_commands_of_one_segment():
    """One `data` call runs all commands of a segment."""
    equal(sends_of(b"write 10\nsend 20\nwritev 3 10\nwrite 40\n", 100),
          [100])


def test_flush_is_at_once():
    equal(sends_of(b"write 10\nflush\nwrite 20\n", 30), [10, 20])


def test_with_last_words():
    check(sends_of(b"write 10\nend 5\n", 15) in ([15], []))


def test_large_ones_in_few():
    sends = sends_of(b"writes 100 1000\n", 100000)
    check(len(sends) <= 4, sends)


def test_boundaries_without_strace():
    """One recv() gets all five bytes, so they were not sent one by one."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        for i in range(50):
            s.sendall(b"writes 5 1\n")
            equal(s.recv(100), pattern(5, 5 * i), "one recv")


main()

"""A process in a session of its own, and the lines that it prints."""

import fcntl
import os
import re
import resource
import select
import signal
import subprocess
import sys
import termios
import threading
import time

from harness import places
from harness.checks import Failure, check, equal, wait_until
from harness.places import patience
from harness.process import family, next_mark, title, writes_log

ORPHAN_SECONDS = 3	# until a process that was killed is gone
LOG_PIPE = 1 << 20	# large, so that the daemon never drops a line
SHOWN = 2000		# lines of the log that a failed test prints

BAD_LINES = re.compile(
    r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer"
    r"|runtime error:|[Aa]ssert|\[err\]|double free|stack smashing"
    r"|free\(\): invalid|corrupted")


class Program:
    """A process whose output is its log, which a thread reads.

    pid is the process that serves.  With a launcher that stays, such as
    strace, the caller sets pid to the launcher's child.  All descendants
    inherit limit_mark.
    """

    what = "the program"

    def __init__(self):
        self.process = self.pid = self.limit_mark = self.reader = None
        self.lines = []
        self.begun = 0  # where the log of this start begins
        self.changed = threading.Condition()
        self.log_ended, self.log_file = False, None
        self.log_pipe = LOG_PIPE
        self.log_gate = threading.Event()	# clear: the log is not read
        self.log_gate.set()

    def spawn(self, command, stdin=subprocess.DEVNULL, **more):
        """Start it with a pipe as standard output and error."""
        reading, writing = os.pipe()
        try:
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, self.log_pipe)
        except OSError:
            pass  # the pipe stays smaller
        self.limit_mark = next_mark()
        limits = resource.getrlimit(resource.RLIMIT_MSGQUEUE)
        try:
            self.before_spawn(writing)
            resource.setrlimit(resource.RLIMIT_MSGQUEUE,
                               (self.limit_mark, limits[1]))
            self.process = subprocess.Popen(
                command, stdin=stdin, stdout=writing, stderr=writing,
                start_new_session=True, **more)
        except BaseException:
            os.close(reading)
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_MSGQUEUE, limits)
            os.close(writing)
        self.pid = self.process.pid
        self.begun = len(self.lines)
        self.log_ended, self.log_file = False, None
        self.reader = threading.Thread(target=self.read_log,
                                       args=(reading,), daemon=True)
        self.reader.start()

    def before_spawn(self, writing):
        """A hook for subclasses that need to know the pipe of the log."""

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """Kill all its processes that are left."""
        if self.process is None:
            return
        for pid in family(self):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.process.wait()
        self.reader.join(2)

    def wait_exit(self, status=0):
        """Wait until it has ended by itself, and no process of it is left."""
        try:
            got = self.process.wait(patience())
        except subprocess.TimeoutExpired:
            raise Failure(self.what + " does not end") from None
        wait_until(lambda: not family(self), lambda:
                   "what is left behind to end: " + ", ".join(
                       "%d (%s)" % (p, title(p))
                       for p in family(self)), ORPHAN_SECONDS)
        self.reader.join(patience())
        check(self.log_ended, "somebody still holds the log")
        self.process = None
        equal(got, status, "exit status")
        self.check_log()

    def check_log(self):
        bad = self.log_lines(BAD_LINES.pattern)
        check(not bad, "in the log:", *bad[:3])

    # What it prints.

    def read_log(self, reading):
        rest = b""
        with open(reading, "rb", buffering=0) as file:
            self.log_file = file
            while True:
                select.select([file], [], [])
                self.log_gate.wait()
                with self.changed:  # settle() must not miss bytes just read
                    data = file.read(1 << 16)
                    lines = (rest + data).split(b"\n")
                    rest = lines.pop() if data else b""
                    self.lines += [line.decode("utf-8", "replace")
                                   for line in lines if line or data]
                    self.log_ended = not data
                    self.changed.notify_all()
                    if not data:
                        self.log_file = None
                        return

    def settle(self):
        """Wait until everything that was logged is in self.lines."""
        wait_until(lambda: not any(map(writes_log, family(self))),
                   "the threads that write the log")
        waiting = bytearray(4)
        end = time.monotonic() + patience()
        while True:
            check(time.monotonic() < end, "nobody reads the log")
            with self.changed:
                if self.log_file is None:
                    return
                fcntl.ioctl(self.log_file, termios.FIONREAD, waiting)
                if not any(waiting):
                    return
            time.sleep(0.0005)

    def mark(self):
        """The current end of the log, for `since` in other calls."""
        self.settle()
        with self.changed:
            return len(self.lines)

    def wait_log(self, regex, since=0, seconds=None, count=1):
        """Wait for the count-th line that matches.  Returns the match."""
        compiled_regex = re.compile(regex)
        end = time.monotonic() + patience(seconds)
        at = since
        with self.changed:
            while True:
                while at < len(self.lines):
                    match = compiled_regex.search(self.lines[at])
                    at += 1
                    if match:
                        count -= 1
                        if count == 0:
                            return match
                if self.log_ended:
                    raise Failure("%s ended before it logged /%s/"
                                  % (self.what, regex))
                left = end - time.monotonic()
                if left <= 0:
                    raise Failure("no line /%s/ in the log" % regex)
                self.changed.wait(left)

    def log_lines(self, regex="", since=0):
        self.settle()
        with self.changed:
            return [line for line in self.lines[since:]
                    if re.search(regex, line)]

    def print_log(self):
        print("---- log")
        with self.changed:
            lines = list(self.lines)
        if len(lines) > SHOWN:
            print("(%d lines, the last %d)" % (len(lines), SHOWN))
        for line in lines[-SHOWN:]:
            print(line)
        print("----")
        sys.stdout.flush()


def run_sluiced(*arguments, env=None):
    """Run sluiced to its end; the result has returncode, stdout, stderr."""
    return run_program([places.SLUICED] + list(arguments), env=env)


def run_program(command, env=None, timeout=None):
    result = subprocess.run(command, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=env, timeout=patience(timeout),
                            text=True)
    bad = [line for line in (result.stdout + result.stderr).splitlines()
           if BAD_LINES.search(line)]
    check(not bad, "in the output:", *bad[:3])
    return result


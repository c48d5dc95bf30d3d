"""A terminal: a program on a pty, and the screen that it draws."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

from harness.checks import Failure
from harness.places import patience

CONTROL = re.compile(r"\x1b\[([?>]?[\d;]*)([@A-Za-z])|\x1b[()].|\x1b[^\[()]")


class Terminal:
    """Knows as much of xterm as ncurses uses for it."""

    def __init__(self, command, rows=24, columns=80, env=None):
        self.master, slave = pty.openpty()
        self.rows, self.columns = rows, columns
        self.at = (0, 0)
        self.clear()
        self.rest = ""
        self.alternate = False
        self.last = " "
        self.ended = False
        self.set_size(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8",
                 **(env or {})}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.region = 0, self.rows - 1

    def scroll(self, first, up):
        """Move the lines from there to the end of the region by one."""
        row = self.cells.pop(first if up else self.region[1])
        row[:] = [" "] * self.columns
        self.cells.insert(self.region[1] if up else first, row)

    def set_size(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.clear()
        self.keep_inside()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def keep_inside(self):
        """What was written for a larger screen may come after set_size()."""
        self.at = min(self.at[0], self.rows - 1), min(self.at[1],
                                                      self.columns)

    def type(self, text):
        os.write(self.master, text.encode())

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def restored(self):
        """Is the terminal as it was before the program?"""
        return (termios.tcgetattr(self.slave) == self.before
                and not self.alternate)

    def read(self, ms=50):
        """Take what the program has written; False: nothing came."""
        if not select.select([self.master], [], [], ms / 1000)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            self.ended = True
            return False
        self.feed(self.rest + data.decode(errors="replace"))
        return True

    def wait(self, condition, what):
        """Read until the condition holds for the screen."""
        end = time.monotonic() + patience()
        while not condition():
            if time.monotonic() > end:
                raise Failure("waiting for %s: %s" % (what, self.text()))
            self.read()

    def wait_text(self, regex, what=None):
        self.wait(lambda: re.search(regex, self.text(), re.M),
                  what or regex)
        return re.search(regex, self.text(), re.M)

    def wait_end(self):
        """Its exit status, after all that it wrote."""
        self.wait(lambda: self.process.poll() is not None, "its end")
        while self.read():
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self.slave)
        os.close(self.master)

    def feed(self, text):
        self.rest = ""
        while text:
            match = CONTROL.match(text)
            if match:
                if match.group(2):
                    self.control(match.group(1), match.group(2))
                    self.keep_inside()
                elif match.group(0) == "\x1bM" and (
                        self.at[0] == self.region[0]):
                    self.scroll(self.region[0], False)
                text = text[match.end():]
            elif text[0] == "\x1b" and len(text) < 16:
                self.rest = text        # the rest has not come yet
                return
            else:
                self.put(text[0])
                text = text[1:]

    def put(self, char):
        row, column = self.at
        if char == "\r":
            self.at = row, 0
        elif char == "\n" and row == self.region[1]:
            self.scroll(self.region[0], True)
        elif char == "\n":
            self.at = min(row + 1, self.rows - 1), column
        elif char == "\b":
            self.at = row, max(column - 1, 0)
        elif char == "\t":
            self.at = row, min(column // 8 * 8 + 8, self.columns - 1)
        elif char >= " ":
            if row < self.rows and column < self.columns:
                self.cells[row][column] = char
            self.last = char
            self.at = row, column + 1
            if unicodedata.east_asian_width(char) in "WF":
                if column + 1 < self.columns:
                    self.cells[row][column + 1] = ""
                self.at = row, column + 2

    def control(self, arguments, what):
        numbers = [int(n) if n else 0
                   for n in arguments.lstrip("?>").split(";")]
        n, (row, column) = numbers[0], self.at
        many = max(n, 1)
        if arguments.startswith("?"):
            if n in (47, 1047, 1049):
                self.alternate = what == "h"
        elif what in "Hf":
            self.at = many - 1, max((numbers + [1])[1], 1) - 1
        elif what == "d":
            self.at = many - 1, column
        elif what == "G":
            self.at = row, many - 1
        elif what in "ABCD":
            self.at = (max(row + {"A": -many, "B": many}.get(what, 0), 0),
                       max(column + {"C": many, "D": -many}.get(what, 0), 0))
        elif what == "b":
            for _ in range(many):
                self.put(self.last)
        elif what == "J":
            first = 0 if n == 2 else row * self.columns + column
            for cell in range(first, self.rows * self.columns):
                self.cells[cell // self.columns][cell % self.columns] = " "
        elif what in "KX":
            begin = 0 if what == "K" and n == 1 else column
            end = column + 1 if what == "K" and n == 1 else self.columns
            if what == "X":
                end = min(column + many, self.columns)
            for at in range(begin, end):
                self.cells[row][at] = " "
        elif what == "P":
            del self.cells[row][column:column + many]
            self.cells[row] += [" "] * (self.columns - len(self.cells[row]))
        elif what == "@":
            self.cells[row][column:column] = [" "] * many
            del self.cells[row][self.columns:]
        elif what in "LMST":
            for _ in range(min(many, self.rows)):
                self.scroll(row if what in "LM" else self.region[0],
                            what in "MS")
        elif what == "r":
            last = min((numbers + [0])[1] or self.rows, self.rows) - 1
            self.region = min(many - 1, last), last
            self.at = 0, 0
        elif what in "lhmtnc":
            pass
        else:
            raise Failure("the test's terminal does not know %r %r"
                          % (arguments, what))

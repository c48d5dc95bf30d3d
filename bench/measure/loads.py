"""bench/load and bench/stream, each on the core of the client."""

import os
import re
import subprocess

from harness import places
from harness.checks import Failure
from harness.net import connect, receive
from harness.program import Program
from measure.machine import CLIENT_CORE, before_others, pinned


class Load:
    """One bench/load while it runs.

    With -p it pauses when all connections are open, until go(), and when it
    has a result, until end().
    """

    def __init__(self, address, *words, core=CLIENT_CORE):
        self.process = subprocess.Popen(
            [*pinned(core), os.path.join(places.BUILD, "bench/load"),
             *map(str, words), address], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True)
        self.pid, self.said = self.process.pid, ""
        before_others(self.pid)

    def wait_line(self):
        """Read a line: its connections are open, or its result."""
        line = self.process.stdout.readline()
        if not line:
            self.end()
            raise Failure("load has ended too early")
        self.said += line

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        """Returns everything that it has printed."""
        self.process.stdin.close()
        self.said += self.process.stdout.read()
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        if self.process.wait() != 0:
            raise Failure("load failed: " + errors.strip())
        return self.said

    def result(self):
        """Values by name; "ports": messages by the port of a connection."""
        out = self.end()
        line = re.findall(r"^load (.*)$", out, re.M)[-1]
        values = dict(word.split("=") for word in line.split())
        result = {key: value if key == "mode" else float(value)
                  for key, value in values.items()}
        result["ports"] = {
            int(port): int(messages) for port, messages in re.findall(
                r"^connection port=(\d+) messages=(\d+)$", out, re.M)}
        return result


def load(address, *words, core=CLIENT_CORE):
    return Load(address, *words, core=core).result()


class Stream(Program):
    """bench/stream and its output."""

    what = "stream"

    def __init__(self, address, connections, *words, interval_ms):
        super().__init__()
        self.spawn([*pinned(CLIENT_CORE),
                    os.path.join(places.BUILD, "bench/stream"), "-c",
                    str(connections), "-i", str(interval_ms), *words,
                    address.rpartition(":")[2]], stdin=subprocess.PIPE)
        self.wait_log("^ready")

    def end(self):
        self.process.stdin.close()
        line = self.wait_log("^stream ").string
        self.wait_exit()
        return dict(word.split("=") for word in line.split()[1:])


def ask(address, message=b"x", timeout=10):
    """The answer to a message over a new connection."""
    with connect(address, timeout=timeout) as s:
        s.sendall(message)
        return receive(s, len(message))

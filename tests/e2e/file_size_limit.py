"""Reaching RLIMIT_FSIZE is an error with a clear message; no process dies."""

import os
import re
import resource
import signal

from sluice_test import (Daemon, check, equal, listener, main, plugin,
                         receive, run_sluiced, test_plugin, wait_until)

LIMIT = 20000           # bytes; less than the size of a plugin


def writes(pid, name):
    """How often a thread of a process has written, also in vain."""
    for task in os.scandir("/proc/%d/task" % pid):
        with open(task.path + "/comm") as file:
            if file.read() != name + "\n":
                continue
        with open(task.path + "/io") as file:
            return int(re.search(r"syscw: (\d+)", file.read()).group(1))
    return 0


class Filed(Daemon):
    """A daemon that logs to a file."""

    def __init__(self, *listeners, **settings):
        super().__init__(*listeners, start=False, **settings)
        self.log_path = self.path("log")
        self.launcher = ["sh", "-c", 'log=$1; shift; exec "$@" > "$log" 2>&1',
                         "sh", self.log_path]

    def logged(self):
        with open(self.log_path, "rb") as file:
            return file.read().replace(b"\0", b"").decode()

    def wait_file(self, text):
        wait_until(lambda: text in self.logged(),
                   lambda: "%s in %s" % (text, self.logged()[-2000:]))

    def start(self, wait=True):
        open(self.log_path, "w").close()
        super().start(wait=False)
        if wait:
            self.wait_file("generation 1 ready")

    def echo(self, port):
        s = self.connect(address="127.0.0.1:%d" % port)
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        s.close()

    def port_in_file(self):
        line = next(line for line in self.logged().splitlines()
                    if "listening on" in line)
        return int(line.partition("listening on ")[2].split()[0]
                   .rpartition(":")[2])

    def lose_a_line(self):
        """Have lines logged until one was written in vain.

        The file is full.  The write that filled it may still be counted.
        """
        before = writes(self.pid, "sluiced: log")
        wait_until(lambda: self.signal(signal.SIGUSR1) or
                   writes(self.pid, "sluiced: log") >= before + 2,
                   "a write in vain")

    def limit(self, number):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE,
                         (number, resource.RLIM_INFINITY))


def test_the_log_reaches_the_limit():
    d = Filed(listener("echo", plugin("echo")), log={"access": False})
    with d:
        d.start()
        port = d.port_in_file()
        size = os.path.getsize(d.log_path)
        d.limit(size + 40)              # the next line is cut short
        for _ in range(3):
            d.echo(port)
            d.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.getsize(d.log_path) >= size + 40,
                   "the limit")
        d.lose_a_line()
        d.signal(signal.SIGHUP)         # images are files in memory
        d.echo(port)
        equal(os.path.getsize(d.log_path), size + 40)
        d.limit(resource.RLIM_INFINITY)
        wait_until(lambda: d.signal(signal.SIGALRM)
                   or "lines were lost" in d.logged(), "the lost lines")
        d.wait_file("lines were lost: File too large")
        d.echo(port)
        # The line that was cut ends with a newline.
        lines = d.logged()[size:].splitlines()
        equal(len(lines[0]), 40, lines)
        check(lines[1][:2] == "20", lines)
        d.signal(signal.SIGTERM)
        d.wait_exit(0)


def test_a_reload_is_refused_with_the_cause():
    with Daemon(listener("echo", plugin("echo"))) as d:
        resource.prlimit(d.pid, resource.RLIMIT_FSIZE,
                         (LIMIT, resource.RLIM_INFINITY))
        d.listeners.append(listener("c", test_plugin("command")))
        d.write_config()
        said = d.reload_refused()
        check("File too large: the limit RLIMIT_FSIZE is %d bytes; raise it "
              "with ulimit -f or LimitFSIZE= in the unit" % LIMIT in said,
              said)
        resource.prlimit(d.pid, resource.RLIMIT_FSIZE,
                         (resource.RLIM_INFINITY,) * 2)
        d.reload_ready()


def limited(number):
    return ["prlimit", "--fsize=%d" % number]


def test_a_start_says_the_cause():
    for number in (0, 100, LIMIT):
        with Daemon(listener("echo", plugin("echo")), start=False,
                    launcher=limited(number)) as d:
            d.start(wait=False)
            d.wait_log("File too large: the limit RLIMIT_FSIZE is %d bytes"
                       % number)
            d.wait_exit(1)


def test_a_test_says_the_cause():
    d = Daemon(listener("echo", plugin("echo")), start=False)
    with d:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
        try:
            result = run_sluiced("-t", "-c", d.config)
            described = run_sluiced("--describe", plugin("echo"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        equal(result.returncode, 1)
        check("the limit RLIMIT_FSIZE is" in result.stderr, result.stderr)
        equal(described.returncode, 1)
        check("the limit RLIMIT_FSIZE is" in described.stderr,
              described.stderr)


def test_a_plugin_gets_an_error():
    """A worker that writes beyond the limit is not killed."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"say x\n")
        receive(s, 2)
        os.kill(d.workers()[0], signal.SIGXFSZ)
        s.sendall(b"say y\n")
        equal(receive(s, 2), b"y\n")


main()

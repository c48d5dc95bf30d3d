"""One sluiced: configuration, log, reloads, connections, control socket."""

import json
import os
import re
import shutil
import signal
import socket

from harness import places
from harness.build import make_directory
from harness.checks import check, wait_until
from harness.conf import setting
from harness.net import close_all, connect
from harness.page import page_process
from harness.places import patience
from harness.process import connection_descriptors, descriptors, is_alive
from harness.program import Program, run_program
from harness.trace import TRACE, check_trace

TEXT_LINE = re.compile(r"^\S+Z (\w+) +([\w ]+?): (.*)$")
LISTENING = re.compile(r"(no longer )?listening on (\S+) for (\S+)")
VERDICT = re.compile(r"generation (\d+) ready\b|reload refused: (.*)")


class Daemon(Program):
    """Use it as `with Daemon(listener(...)) as d:`."""

    what = "the daemon"

    def __init__(self, *listeners, config=None, start=True, env=None,
                 arguments=(), launcher=(), pass_fds=(), pairs=True,
                 **settings):
        super().__init__()
        self.listeners = list(listeners)
        self.settings = dict({"workers": 1, "drain_timeout": "5s"},
                             **settings)
        self.env = dict(os.environ, **(env or {}))
        for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID",
                     "LISTEN_FDNAMES", "JOURNAL_STREAM"):
            if not env or name not in env:
                self.env.pop(name, None)
        self.arguments, self.launcher = list(arguments), list(launcher)
        self.pass_fds = pass_fds
        self.pairs = pairs		# each traced open needs a close
        self.directory = make_directory()
        self.config = os.path.join(self.directory, "sluice.conf")
        self.clients = []
        self.wants_start = start
        self.journal = False
        self.baseline = {}
        if config is None:
            self.write_config()
        else:
            self.write(config)

    def __enter__(self):
        try:
            if self.wants_start:
                self.start()
        except BaseException:
            self.give_up()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            try:
                if self.process is not None:
                    self.stop()
                self.remove()
            except BaseException:
                self.give_up()
                raise
            if os.environ.get("SLUICE_TEST_LOG"):
                self.print_log()
        else:
            self.give_up()

    def give_up(self):
        self.kill()
        self.print_log()
        self.remove()

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def print_log(self):
        print("---- configuration")
        try:
            with open(self.config) as file:
                print(file.read().rstrip())
        except (OSError, UnicodeDecodeError):
            pass
        super().print_log()

    # Files.

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, content, name=None):
        """Write a file by a rename, so that no reader sees half of it."""
        path = self.path(name) if name else self.config
        with open(path + ".new", "wb") as file:
            file.write(content.encode() if isinstance(content, str)
                       else content)
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)
        return path

    def text(self):
        lines = ["%s = %s;" % (name, setting(value))
                 for name, value in self.settings.items()]
        lines.append("listeners = (")
        lines.append(",\n".join("\t" + setting(one)
                                for one in self.listeners))
        lines.append(");")
        return "\n".join(lines) + "\n"

    def write_config(self):
        self.write(self.text())

    def listener(self, name):
        return next(one for one in self.listeners if one["name"] == name)

    def open_directory(self, name):
        """A directory in which workers may make files."""
        path = self.path(name)
        os.mkdir(path)
        os.chmod(path, 0o777)
        return path

    # Life.

    def start(self, wait=True):
        check(os.access(places.SLUICED, os.X_OK), places.SLUICED,
              "is not there")
        self.spawn(self.launcher + [places.SLUICED, "-c", self.config]
                   + self.arguments, env=self.env, pass_fds=self.pass_fds)
        if wait:
            self.wait_ready()

    def before_spawn(self, writing):
        if self.journal:
            status = os.fstat(writing)
            self.env["JOURNAL_STREAM"] = "%d:%d" % (status.st_dev,
                                                    status.st_ino)

    def wait_ready(self):
        self.wait_log(r"generation 1 ready\b", self.begun)
        if "status" in self.settings:
            page_process(self)      # it is started after that
        for pid in [self.pid] + self.workers():
            self.baseline[pid] = descriptors(pid)

    def messages(self, regex="", since=0):
        """The log messages that match, without time, level and role."""
        found = []
        for line in self.log_lines("", since):
            match = TEXT_LINE.match(line)
            text = match.group(3) if match else line
            if re.search(regex, text):
                found.append(text)
        return found

    def worker_of(self, connection):
        """The index of the worker that traced a connection's open."""
        match = self.wait_log(r"worker (\d+): .*trace %d open" % connection)
        return int(match.group(1)) - 1

    def reload(self, wait=True):
        """Send SIGHUP.  Returns the generation, or the refusal's text."""
        since = self.mark()
        self.signal(signal.SIGHUP)
        if not wait:
            return None
        match = self.wait_log(VERDICT.pattern, since)
        self.reload_mark = since
        return int(match.group(1)) if match.group(1) else match.group(2)

    def reload_ready(self):
        verdict = self.reload()
        check(isinstance(verdict, int), "reload refused:", verdict)
        return verdict

    def reload_refused(self):
        """Reload, which must be refused.  Returns what was logged."""
        verdict = self.reload()
        check(not isinstance(verdict, int), "the reload was not refused")
        return "\n".join(self.messages("", self.reload_mark))

    def workers(self):
        """The pids of the workers by index, from the log."""
        found = {}
        for line in self.log_lines(r"worker \d+ \(pid \d+\) started"):
            match = re.search(r"worker (\d+) \(pid (\d+)\) started", line)
            found[int(match.group(1)) - 1] = int(match.group(2))
        return [found[index] for index in sorted(found)]

    def addresses(self, name):
        """The addresses of a listener, from the log."""
        found = []
        for line in self.log_lines("listening on"):
            match = LISTENING.search(line)
            if match and match.group(3) == name:
                if match.group(1):
                    found.remove(match.group(2))
                elif match.group(2) not in found:
                    found.append(match.group(2))
        check(found, "no address of", name, "in the log")
        return found

    def port(self, name, index=0):
        return int(self.addresses(name)[index].rpartition(":")[2])

    def refuses(self, address):
        """Is a connection to this address refused?"""
        try:
            self.connect(address=address).close()
            return False
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except ConnectionResetError:
            # The socket was closed just after the kernel had accepted us.
            return self.refuses(address)

    def connect(self, name=None, index=0, address=None, receive_buffer=None,
                send_buffer=None, source=None, timeout=None,
                may_reset=False):
        """A connected socket; its time-out is a deadline of the test."""
        if address is None:
            name = name or self.listeners[0]["name"]
            address = self.addresses(name)[index]
        s = connect(address, receive_buffer, send_buffer, source, timeout,
                    may_reset)
        self.clients.append(s)
        return s

    def shut_clients(self):
        """Shut down all clients' sockets, which wakes blocked threads."""
        for s in self.clients:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self, close_clients=True, number=None, status=0):
        """SIGTERM, and the checks that every test ends with."""
        if close_clients:
            close_all(self.clients)
        if close_clients and not self.settings.get("connectors"):
            for pid in self.workers():
                if is_alive(pid):
                    wait_until(
                        lambda: not connection_descriptors(pid),
                        lambda: "worker %d to close %s" % (
                            pid, connection_descriptors(pid)))
            self.check_descriptors()
        self.signal(number or signal.SIGTERM)
        self.wait_exit(status)
        close_all(self.clients)
        self.clients = []

    def check_descriptors(self):
        """Without a reload, no process has more descriptors than at first."""
        if self.log_lines("reloading"):
            return
        for pid, before in self.baseline.items():
            if before and is_alive(pid):
                wait_until(
                    lambda: len(descriptors(pid)) <= len(before),
                    lambda: "%d to close what it opened: %s, before: %s" % (
                        pid, descriptors(pid), before))

    def check_log(self):
        super().check_log()
        check_trace(self.lines, self.pairs)

    # The control socket, with control="control.sock" in the settings.

    def sluicectl(self, *words, timeout=None):
        """Run it; the result has returncode, stdout, stderr."""
        return run_program([places.SLUICECTL, "-s", self.path("control.sock")]
                           + list(words), timeout=timeout)

    def ask(self, command, **flags):
        """What the daemon answers over its control socket."""
        s, answer = self.control_client(), b""
        try:
            s.sendall(json.dumps(dict(flags, command=command)).encode()
                      + b"\n")
            while not answer.endswith(b"\n"):
                answer += s.recv(1 << 18) or b"(end)\n"
        except (BrokenPipeError, ConnectionResetError):
            answer += s.recv(1 << 18)   # the refusal can still be read
        s.close()
        check(answer.endswith(b"\n") and answer.count(b"\n") == 1, answer)
        return json.loads(answer)

    def connector(self, name):
        """What workers show of a connector: {worker, from 1: state}."""
        said = next(one for one in self.ask("status")["connectors"]
                    if one["name"] == name)
        return {state["worker"]: state for state in said["workers"]}

    def control_client(self):
        """A socket that is connected to the control socket."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(patience())
        s.connect(self.path("control.sock"))
        return s

    # Traces of test plugins.

    def wait_trace(self, event, connection=None, since=0, count=1):
        """Wait for `trace ID EVENT...`; (id, rest of the line)."""
        which = r"\d+" if connection is None else str(connection)
        match = self.wait_log(r"trace (%s) (?:%s)(?: (.*))?$"
                              % (which, event), since, count=count)
        return int(match.group(1)), match.group(2) or ""

    def trace(self, connection=None, since=0):
        """The traced events of a connection, without its calls."""
        found = []
        for line in self.log_lines(r"trace \d+ ", since):
            match = TRACE.search(line)
            if connection in (None, int(match.group(1))) and (
                    match.group(2) != "call"):
                found.append((match.group(2) + " "
                              + (match.group(3) or "")).strip())
        return found

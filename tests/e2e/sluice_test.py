"""The harness of the end-to-end tests: a real sluiced, in its own directory.

A test is a program with functions named test_*, which ends with main().  It
waits for log lines and sockets, never for time.  Every daemon is stopped
through Daemon.stop(), which makes the same checks for all of them: exit
status, sanitizers, assertions, orphans, descriptors, and that each `open` a
plugin traced was matched by one `close`.

From the environment: SLUICED, SLUICE_PLUGINS, SLUICE_TEST_PLUGINS,
SLUICE_INCLUDE, CC, CXX, SLUICE_TEST_SLOW (a factor for all deadlines),
SLUICE_TEST_LOG (print the log of passed tests, too).
"""

import fcntl
import json
import os
import re
import resource
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(SOURCE, "build")
SLUICED = os.path.abspath(
    os.environ.get("SLUICED") or os.path.join(BUILD, "daemon/sluiced"))
SLUICECTL = os.path.join(os.path.dirname(SLUICED), "sluicectl")
PLUGINS = os.path.abspath(
    os.environ.get("SLUICE_PLUGINS") or os.path.join(BUILD, "plugins"))
TEST_PLUGINS = os.path.abspath(
    os.environ.get("SLUICE_TEST_PLUGINS")
    or os.path.join(BUILD, "tests/plugins"))
INCLUDE = os.path.abspath(
    os.environ.get("SLUICE_INCLUDE") or os.path.join(SOURCE, "include"))
TEST_SOURCES = os.path.join(SOURCE, "tests/plugins")

# As many descriptors as we may have: some tests want thousands.
resource.setrlimit(resource.RLIMIT_NOFILE,
                   (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

SKIPPED = 77		# automake: this test could not run here
DEADLINE = 15		# seconds; generous, because reaching it is a failure
ORPHAN_SECONDS = 3	# for one that was killed to be gone
LOG_PIPE = 1 << 20	# so that the daemon never has to drop a line

BAD_LINES = re.compile(
    r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer"
    r"|runtime error:|[Aa]ssert|\[err\]|double free|stack smashing"
    r"|free\(\): invalid|corrupted")
TEXT_LINE = re.compile(r"^\S+Z (\w+) +([\w ]+?): (.*)$")
TRACE = re.compile(r"trace (\d+) (\S+)(?: (.*))?$")
LISTENING = re.compile(r"(no longer )?listening on (\S+) for (\S+)")
VERDICT = re.compile(r"generation (\d+) ready\b|reload refused: (.*)")


class Skip(Exception):
    """This test cannot run here; the text says why."""


class Failure(Exception):
    """The daemon did not keep a promise."""


def is_sanitized(path):
    try:
        with open(path, "rb") as file:
            return b"__asan_init" in file.read()
    except OSError:
        return False


SANITIZED = is_sanitized(SLUICED)
SLOW = float(os.environ.get("SLUICE_TEST_SLOW") or (3 if SANITIZED else 1))


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def equal(got, expected, what="value"):
    if got != expected:
        raise Failure("%s: got %s, expected %s"
                      % (what, brief(got), brief(expected)))


def brief(value):
    text = repr(value)
    return text if len(text) <= 300 else (
        "%s ... %s (%d characters)" % (text[:140], text[-140:], len(text)))


def wait_until(condition, what, seconds=DEADLINE):
    """Poll until condition() is true, and return what it returned."""
    end = time.monotonic() + seconds * SLOW
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure("waited in vain for "
                          + (what() if callable(what) else what))
        time.sleep(0.005)


def need(program):
    path = shutil.which(program)
    if path is None:
        raise Skip("%s is not installed" % program)
    return path


def is_trusted(path):
    """Would sluiced, started as root, take a plugin from this directory?"""
    path = os.path.realpath(path)
    while True:
        status = os.stat(path)
        if status.st_uid != 0 or (
                status.st_mode & 0o022 and not status.st_mode & 0o1000):
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def usable(directory):
    """The directory, or a copy if root must not take plugins from it."""
    if os.geteuid() != 0 or not os.path.isdir(directory) or is_trusted(
            directory):
        return directory
    copy = os.path.join(scratch(), directory.strip("/").replace("/", "-"))
    if not os.path.isdir(copy):
        os.mkdir(copy, 0o755)
        for name in os.listdir(directory):
            if name.endswith(".so"):
                shutil.copyfile(os.path.join(directory, name),
                                os.path.join(copy, name))
    return copy


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root can test this")


# Plugins.

def plugin(name):
    """The path of a sample plugin."""
    return os.path.join(usable(PLUGINS), name + ".so")


def compiler(variable, default):
    command = shlex.split(os.environ.get(variable) or default)
    need(command[0])
    return command


def compile_plugin(source, target, flags=(), **defines):
    """Build source (a path, a name in tests/plugins, or C text) into target.

    A define that is a str becomes a string literal, True an empty one.
    """
    directory = os.path.dirname(target)
    if "\n" in source:
        suffix = ".cc" if "std=c++" in " ".join(flags) else ".c"
        path = target + suffix
        with open(path, "w") as file:
            file.write(source)
    else:
        path = source if os.path.isabs(source) else os.path.join(
            TEST_SOURCES, source if "." in source else source + ".c")
    if path.endswith(".cc"):
        command = compiler("CXX", "c++") + ["-fno-gnu-unique"]
    else:
        command = compiler("CC", "cc") + ["-std=gnu11"]
    command += ["-O1", "-g", "-Wall", "-Wextra", "-fPIC", "-shared",
                "-fvisibility=hidden", "-I" + INCLUDE, "-o",
                target + ".new"]
    for name, value in defines.items():
        if value is True:
            command.append("-D" + name)
        elif isinstance(value, str):
            command.append('-D%s="%s"' % (name, value))
        else:
            command.append("-D%s=%s" % (name, value))
    result = subprocess.run(command + list(flags) + [path], cwd=directory,
                            stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise Failure("cannot compile %s:\n%s" % (path, result.stdout))
    os.rename(target + ".new", target)
    return target


compiled = {}


def test_plugin(name, **defines):
    """The path of a test plugin: as built, or a variant compiled now."""
    built = os.path.join(usable(TEST_PLUGINS), name + ".so")
    if not defines and os.path.exists(built):
        return built
    key = (name, tuple(sorted(defines.items())))
    if key not in compiled:
        target = os.path.join(scratch(), "%s-%d.so" % (name, len(compiled)))
        source = name + ".cc" if os.path.exists(
            os.path.join(TEST_SOURCES, name + ".cc")) else name
        flags = ["-std=c++17"] if source.endswith(".cc") else []
        compiled[key] = compile_plugin(source, target, flags, **defines)
    return compiled[key]


test_plugin.__test__ = False
scratch_directory = None


def scratch():
    """A directory for the whole program."""
    global scratch_directory
    if scratch_directory is None:
        scratch_directory = make_directory()
    return scratch_directory


def make_directory():
    path = tempfile.mkdtemp(prefix="sluice-test-")
    os.chmod(path, 0o755)  # workers are somebody else
    return path


# Configuration, in libconfig's syntax.

class Raw(str):
    """Configuration text that is written as it is."""


def setting(value):
    if isinstance(value, Raw):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d%s" % (value, "L" if abs(value) >= 1 << 31 else "")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
    if isinstance(value, dict):
        return "{ %s }" % " ".join(
            "%s = %s;" % (name, setting(v)) for name, v in value.items())
    return "( %s )" % ", ".join(setting(v) for v in value)


def listener(name, plugin_path, listen="127.0.0.1:0", **settings):
    return dict({"name": name, "listen": listen, "plugin": plugin_path},
                **settings)


# Processes.

def stat_fields(pid):
    """The fields of /proc/PID/stat behind the name: state is [0]."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()
    except (OSError, ProcessLookupError):
        return None


def cpu_seconds(pid):
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """Resident bytes."""
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(int(entry))
            if fields and int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
    return found


def in_session(session):
    """The living processes of a session."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(int(entry))
            if fields and int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry))
    return found


def is_alive(pid):
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def title(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read().rstrip(b"\0").replace(b"\0", b" ").decode()
    except OSError:
        return ""


def descriptors(pid):
    """What each descriptor of a process is, or None if we may not know."""
    try:
        names = os.listdir("/proc/%d/fd" % pid)
    except OSError:
        return None
    found = {}
    for name in names:
        try:
            found[int(name)] = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            pass
    return found


def quiet_sockets():
    """Inodes of sockets that are not connections: listening or packets."""
    quiet = set()
    for table in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + table) as file:
                for line in file.readlines()[1:]:
                    fields = line.split()
                    if fields[3] == "0A":
                        quiet.add(fields[9])
        except OSError:
            pass
    with open("/proc/net/unix") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            # A listening one (flag 10000), or not a stream (type 1).
            if int(fields[3], 16) & 0x10000 or fields[4] != "0001":
                quiet.add(fields[6])
    return quiet


def connection_descriptors(pid):
    """Descriptors of a process that are sockets of connections."""
    held = descriptors(pid)
    if not held:
        return []
    quiet = quiet_sockets()
    return ["%d %s" % (fd, target) for fd, target in held.items()
            if target.startswith("socket:[") and fd > 2
            and target[8:-1] not in quiet]


# Clients.

def free_address(host="127.0.0.1"):
    """HOST:PORT that nobody has right now, for a config that must name it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.bind((host, 0))
        port = s.getsockname()[1]
    return ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)


def close_all(sockets):
    for s in sockets:
        s.close()


def receive(s, count):
    """Exactly count bytes."""
    parts, missing = [], count
    while missing > 0:
        data = s.recv(min(missing, 1 << 18))
        if not data:
            raise Failure("end of file, %d of %d bytes missing"
                          % (missing, count))
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def receive_line(s):
    line = bytearray()
    while not line.endswith(b"\n"):
        data = s.recv(1)
        if not data:
            raise Failure("end of file in a line: %r" % bytes(line))
        line += data
    return bytes(line[:-1]).decode()


def id_of(s):
    """The id of a connection that the plugin `command` serves."""
    s.sendall(b"facts\n")
    return int(re.search(r"id=(\d+)", receive_line(s)).group(1))


def receive_all(s):
    """Everything up to the end of file; a reset is an exception."""
    parts = []
    while True:
        data = s.recv(1 << 18)
        if not data:
            return b"".join(parts)
        parts.append(data)


def expect_end(s):
    """End of file and not a byte before it."""
    data = s.recv(1 << 16)
    equal(data, b"", "bytes before the end of file")


def expect_gone(s):
    """The other side is gone, politely or not; drops what comes before."""
    try:
        while s.recv(1 << 16):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass


def expect_reset(s):
    try:
        while s.recv(1 << 16):
            pass
    except ConnectionResetError:
        return
    raise Failure("end of file where a reset was expected")


def reset(s):
    """Close with a RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 struct.pack("ii", 1, 0))
    s.close()


def send_until_stalled(s, data, quiet=0.3):
    """Send until the socket has taken nothing for a while; bytes taken."""
    view, sent = memoryview(data), 0
    timeout = s.gettimeout()
    s.setblocking(False)
    while sent < len(data):
        if not select.select([], [s], [], quiet * SLOW)[1]:
            break
        sent += s.send(view[sent:sent + (1 << 16)])
    s.settimeout(timeout)
    return sent


def exchange(s, data, sent=0):
    """Send the rest of data while receiving as many bytes; what came back."""
    result, view = bytearray(), memoryview(data)
    timeout = s.gettimeout()
    s.setblocking(False)
    while len(result) < len(data):
        wanted = [s] if sent < len(data) else []
        readable, writable, _ = select.select([s], wanted, [],
                                              DEADLINE * SLOW)
        if not readable and not writable:
            raise Failure("stuck: %d of %d bytes sent, %d came back"
                          % (sent, len(data), len(result)))
        if writable:
            try:
                sent += s.send(view[sent:sent + (1 << 18)])
            except BlockingIOError:
                pass
        if readable:
            part = s.recv(1 << 18)
            if not part:
                raise Failure("end of file after %d bytes" % len(result))
            result += part
    s.settimeout(timeout)
    return bytes(result)


TABLE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"


def pattern(count, start=0):
    """The stream that the plugin `command` writes; its period is prime."""
    first = start % len(TABLE)
    return (TABLE * (count // len(TABLE) + 2))[first:first + count]


# The daemon.

class Daemon:
    """One sluiced.  Use it as `with Daemon(listener(...)) as d:`."""

    def __init__(self, *listeners, config=None, start=True, env=None,
                 arguments=(), launcher=(), pass_fds=(), pairs=True,
                 **settings):
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
        self.pairs = pairs		# each open has its close
        self.directory = make_directory()
        self.config = os.path.join(self.directory, "sluice.conf")
        self.process = None
        self.lines = []
        self.changed = threading.Condition()
        self.log_ended, self.log_file = False, None
        self.clients = []
        self.wants_start = start
        self.journal = False
        self.log_pipe = LOG_PIPE
        self.log_gate = threading.Event()	# clear: the log is not read
        self.log_gate.set()
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
        if self.process is not None:
            pids = in_session(self.process.pid)
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            self.process.wait()
            self.reader.join(2)
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
        print("---- log")
        with self.changed:
            lines = list(self.lines)
        if len(lines) > 2000:
            print("(%d lines, the last 2000)" % len(lines))
        for line in lines[-2000:]:
            print(line)
        print("----")
        sys.stdout.flush()

    # Files.

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, text, name=None):
        path = self.path(name) if name else self.config
        with open(path + ".new", "w") as file:
            file.write(text)
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
        check(os.access(SLUICED, os.X_OK), SLUICED, "is not there")
        reading, writing = os.pipe()
        try:
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, self.log_pipe)
        except OSError:
            pass  # then it is smaller
        if self.journal:
            status = os.fstat(writing)
            self.env["JOURNAL_STREAM"] = "%d:%d" % (status.st_dev,
                                                    status.st_ino)
        self.process = subprocess.Popen(
            self.launcher + [SLUICED, "-c", self.config] + self.arguments,
            stdin=subprocess.DEVNULL, stdout=writing, stderr=writing,
            env=self.env, start_new_session=True, pass_fds=self.pass_fds)
        os.close(writing)
        self.log_ended, self.log_file = False, None
        self.reader = threading.Thread(target=self.read_log,
                                       args=(reading,), daemon=True)
        self.reader.start()
        if wait:
            self.wait_log(r"generation 1 ready\b")
            for pid in [self.pid] + self.workers():
                self.baseline[pid] = descriptors(pid)

    def read_log(self, reading):
        rest = b""
        with open(reading, "rb", buffering=0) as file:
            self.log_file = file
            while True:
                select.select([file], [], [])
                self.log_gate.wait()
                with self.changed:  # so that nothing is on its way unseen
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
        """Everything that has been written to the log is in self.lines."""
        waiting = bytearray(4)
        end = time.monotonic() + DEADLINE * SLOW
        while True:
            check(time.monotonic() < end, "nobody reads the log")
            with self.changed:
                if self.log_file is None:
                    return
                fcntl.ioctl(self.log_file, termios.FIONREAD, waiting)
                if not any(waiting):
                    return
            time.sleep(0.0005)

    @property
    def pid(self):
        return self.process.pid

    def mark(self):
        """The place in the log where waiting and searching may begin."""
        self.settle()
        with self.changed:
            return len(self.lines)

    def wait_log(self, regex, since=0, seconds=DEADLINE, count=1):
        """Wait for the count-th line that matches; the match."""
        compiled_regex = re.compile(regex)
        end = time.monotonic() + seconds * SLOW
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
                    raise Failure("the daemon ended before it logged /%s/"
                                  % regex)
                left = end - time.monotonic()
                if left <= 0:
                    raise Failure("no line /%s/ in the log" % regex)
                self.changed.wait(left)

    def log_lines(self, regex="", since=0):
        self.settle()
        with self.changed:
            return [line for line in self.lines[since:]
                    if re.search(regex, line)]

    def messages(self, regex="", since=0):
        """What was said, without time, level and role."""
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

    def signal(self, number):
        os.kill(self.pid, number)

    def reload(self, wait=True):
        """SIGHUP, and its verdict: a generation, or the refusal's text."""
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
        """The problems that were logged, without the verdict."""
        verdict = self.reload()
        check(not isinstance(verdict, int), "the reload was not refused")
        return "\n".join(self.messages("", self.reload_mark))

    def workers(self):
        """Pids by index, as last logged."""
        found = {}
        for line in self.log_lines(r"worker \d+ \(pid \d+\) started"):
            match = re.search(r"worker (\d+) \(pid (\d+)\) started", line)
            found[int(match.group(1)) - 1] = int(match.group(2))
        return [found[index] for index in sorted(found)]

    def addresses(self, name):
        """The addresses that a listener was said to listen on."""
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
        """Does nobody listen there?"""
        try:
            self.connect(address=address).close()
            return False
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except ConnectionResetError:
            # The kernel let us in just when the socket was closed.
            return self.refuses(address)

    def connect(self, name=None, index=0, address=None, receive_buffer=None,
                send_buffer=None, source=None, timeout=None,
                may_reset=False):
        """A connected socket; its time-out is a deadline of the test."""
        if address is None:
            name = name or self.listeners[0]["name"]
            address = self.addresses(name)[index]
        if address.startswith("unix:"):
            target = address[5:]
            if target.startswith("@"):
                target = "\0" + target[1:]
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            host, _, port = address.rpartition(":")
            if host in ("*", "0.0.0.0"):
                host = "127.0.0.1"
            target = (host.strip("[]"), int(port))
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            s = socket.socket(family, socket.SOCK_STREAM)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                         receive_buffer)
        if send_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if source:
            s.bind((source, 0))
        s.settimeout((timeout or DEADLINE) * SLOW)
        try:
            s.connect(target)
        except ConnectionResetError:
            if not may_reset:       # it was accepted and reset at once
                s.close()
                raise
        except OSError:
            s.close()
            raise
        self.clients.append(s)
        return s

    def shut_clients(self):
        """Wake whoever is blocked in a client's socket."""
        for s in self.clients:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self, close_clients=True, number=None, status=0):
        """SIGTERM, and the checks that every test ends with."""
        if close_clients:
            close_all(self.clients)
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
        """Without a reload nobody holds more than in the beginning."""
        if self.log_lines("reloading"):
            return
        for pid, before in self.baseline.items():
            if before and is_alive(pid):
                wait_until(
                    lambda: len(descriptors(pid)) <= len(before),
                    lambda: "%d to close what it opened: %s, before: %s" % (
                        pid, descriptors(pid), before))

    def wait_exit(self, status=0):
        """The daemon ends by itself; nothing of it is left."""
        try:
            got = self.process.wait(DEADLINE * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure("the daemon does not end") from None
        wait_until(lambda: not in_session(self.pid), lambda:
                   "what is left behind to end: " + ", ".join(
                       "%d (%s)" % (p, title(p))
                       for p in in_session(self.pid)), ORPHAN_SECONDS)
        self.reader.join(DEADLINE * SLOW)
        check(self.log_ended, "somebody still holds the log")
        self.process = None
        equal(got, status, "exit status")
        self.check_log()

    def check_log(self):
        bad = self.log_lines(BAD_LINES.pattern)
        check(not bad, "in the log:", *bad[:3])
        check_trace(self.lines, self.pairs)

    # The control socket, with control="control.sock" in the settings.

    def sluicectl(self, *words, timeout=None):
        """Run it; the result has returncode, stdout, stderr."""
        return run_program([SLUICECTL, "-s", self.path("control.sock")]
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
            answer += s.recv(1 << 18)   # what turned us away is still there
        s.close()
        check(answer.endswith(b"\n") and answer.count(b"\n") == 1, answer)
        return json.loads(answer)

    def control_client(self):
        """A socket that is connected to the control socket."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(DEADLINE * SLOW)
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


def check_trace(lines, pairs=True):
    """What is promised about the order of callbacks, for all connections."""
    state = {}
    for line in lines:
        match = TRACE.search(line)
        if not match:
            continue
        connection, event = match.group(1), match.group(2)
        if event == "BAD":
            raise Failure(line)
        if connection == "0" or event in ("call", "note"):
            continue
        before = state.get(connection)
        if event == "open":
            check(before is None, "opened twice:", line)
            state[connection] = "open"
        elif event == "refuse":
            state[connection] = "refused"
        elif event == "close":
            check(before in ("open", "error"),
                  "close of what is", before, ":", line)
            state[connection] = "closed"
        elif event == "error":
            check(before == "open", "error of what is", before, ":", line)
            state[connection] = "error"
        else:
            check(before == "open", "event of what is", before, ":", line)
    if pairs:
        left = [c for c, s in state.items() if s in ("open", "error")]
        check(not left, "opened and never closed:", ", ".join(left[:20]))


# Running tests.

def run_sluiced(*arguments, env=None):
    """Run sluiced to its end; the result has returncode, stdout, stderr."""
    return run_program([SLUICED] + list(arguments), env=env)


def run_program(command, env=None, timeout=None):
    result = subprocess.run(command, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=env, timeout=(timeout or DEADLINE) * SLOW,
                            text=True)
    bad = [line for line in (result.stdout + result.stderr).splitlines()
           if BAD_LINES.search(line)]
    check(not bad, "in the output:", *bad[:3])
    return result


def main():
    """Run all functions test_* of the program, or those named."""
    module = sys.modules["__main__"]
    tests = [(name, value) for name, value in vars(module).items()
             if name.startswith("test_") and name != "test_plugin"
             and callable(value)]
    wanted = sys.argv[1:]
    failed, skipped, passed = [], [], 0
    for name, test in tests:
        if wanted and name not in wanted:
            continue
        begun = time.monotonic()
        try:
            test()
        except Skip as reason:
            skipped.append(name)
            print("SKIP %s: %s" % (name, reason))
        except (Failure, OSError, subprocess.SubprocessError) as error:
            failed.append(name)
            frame = next((f for f in reversed(
                traceback.extract_tb(error.__traceback__))
                if f.filename != __file__), None)
            where = " (line %d)" % frame.lineno if frame else ""
            print("FAIL %s%s: %s: %s" % (
                name, where, type(error).__name__, error))
        except Exception:
            failed.append(name)
            traceback.print_exc(file=sys.stdout)
            print("FAIL %s" % name)
        else:
            passed += 1
            print("ok   %s (%.2f s)" % (name, time.monotonic() - begun))
        sys.stdout.flush()
    if scratch_directory is not None:
        shutil.rmtree(scratch_directory, ignore_errors=True)
    if failed:
        sys.exit(1)
    sys.exit(SKIPPED if skipped and not passed else 0)

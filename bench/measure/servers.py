"""Sluiced, the floor and Bun, each on the core of the server."""

import os
import shutil
import signal

from harness import places
from harness.build import make_directory, plugin
from harness.conf import listener
from harness.daemon import Daemon
from harness.process import anonymous_memory, children, cpu_ns
from harness.program import Program
from measure import BENCH
from measure.machine import SERVER_CORE, before_others, pinned

# As much as the floor reads at once; see README.md.
LIKE_FLOOR = {"read_buffer": "256KiB"}
# As long as the messages of the section read.
SMALL = {"read_buffer": "16KiB"}


def bench_plugin(name):
    return os.path.join(places.BUILD, "bench", name + ".so")


def echo(name="echo", path=None, **settings):
    return listener(name, path or plugin("echo"), limits=LIKE_FLOOR,
                    **settings)


class Server(Program):
    """A server that prints its address, and ends by a signal."""

    def __init__(self, command, launcher=(), stays=False, processes=1,
                 cores=(SERVER_CORE,)):
        super().__init__()
        self.spawn(pinned(*cores) + list(launcher) + command)
        self.where = self.wait_log(r"listening on (\S+)$").group(1)
        if stays:               # the launcher stays the parent
            self.pid, = children(self.pid)
        self.serving = children(self.pid) if processes > 1 else [self.pid]
        before_others(*self.serving)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.signal(signal.SIGTERM)
            self.wait_exit(-signal.SIGTERM)
        else:
            self.kill()
            self.print_log()

    def address(self, _):
        return self.where


class Floor(Server):
    what = "the floor"

    def __init__(self, mode="echo", processes=1, **more):
        super().__init__([os.path.join(places.BUILD, "bench/floor"), "-m",
                          mode, "-n", str(processes)], processes=processes,
                         **more)


class Bun(Server):
    what = "bun"

    def __init__(self, program, mode="echo", *pair):
        super().__init__([program, os.path.join(BENCH, "bun.js"), mode, *pair])


class Sluiced(Daemon):
    """sluiced, with its launcher, on the core of the server."""

    def __init__(self, *listeners, launcher=(), stays=False,
                 cores=(SERVER_CORE,), **more):
        more.setdefault("log", {"access": False})
        super().__init__(*listeners, launcher=pinned(*cores) + list(launcher),
                         **more)
        self.launcher_stays = stays

    def start(self, wait=True):
        super().start(wait)
        if self.launcher_stays:
            self.pid, = children(self.pid)
        before_others(self.pid, *self.serving)

    @property
    def serving(self):
        return self.workers()

    def address(self, name):
        return self.addresses(name)[0]


def cpu_of(server):
    return sum(cpu_ns(pid) for pid in server.serving)


def memory_of(server):
    return sum(anonymous_memory(pid) for pid in server.serving)


class Scratch:
    """Directories in which the servers may make files."""

    def __init__(self):
        self.path = make_directory()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def new(self, name):
        path = os.path.join(self.path, name)
        os.mkdir(path)
        os.chmod(path, 0o777)
        return path

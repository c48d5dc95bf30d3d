"""Many reloads do not disturb many busy connections.

Each connection is a numbered stream; the plugin alternates between two
versions that stamp their answers.  bench/storm does it at full size.
"""

import os
import select
import signal
import time

from sluice_test import (SANITIZED, SLOW, Daemon, Skip, check, compile_plugin,
                         descriptors, equal, is_alive, listener, main, memory,
                         scratch, wait_until)

RELOADS = 20 if SANITIZED else 60
COUNT = 50 if SANITIZED else 200
MOVED = 1.0		# seconds from the verdict until all have new code
GROWTH = 4 << 20	# bytes of a worker; nearly 0 without a leak


class Stream:
    """Keeps one numbered line in flight and checks each answer."""

    def __init__(self, s):
        self.s, self.number, self.rest, self.version = s, 0, b"", None
        self.began = 0
        s.setblocking(False)

    def ask(self):
        self.number += 1
        self.began = time.monotonic()
        line = b"%d\n" % self.number
        equal(self.s.send(line), len(line), "bytes sent")

    def hear(self):
        data = self.s.recv(4096)
        check(data, "end of file after", self.number, "lines")
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            version, count, text = line.decode().split(" ")
            # None is lost, repeated or out of order; the count is state.
            equal((count, text), (str(self.number),) * 2, "answer")
            self.version = version
            self.ask()


class Crowd:
    def __init__(self, d, count):
        self.poll = select.epoll()
        self.streams = {}
        for _ in range(count):
            stream = Stream(d.connect())
            self.streams[stream.s.fileno()] = stream
            self.poll.register(stream.s, select.EPOLLIN)
            stream.ask()

    def talk(self, seconds=0.005):
        for fd, _ in self.poll.poll(seconds):
            self.streams[fd].hear()

    def versions(self):
        return {stream.version for stream in self.streams.values()}


def mappings(pid):
    try:
        with open("/proc/%d/maps" % pid) as file:
            return sum("memfd:" in line for line in file)
    except PermissionError:
        raise Skip("we may not look at the maps of a worker")


def test_reload_storm():
    with Daemon(listener("stamp", "./stamp.so"), start=False, workers=2,
                log={"access": False}) as d:
        images = [compile_plugin("stamp", os.path.join(scratch(), v + ".so"),
                                 VERSION=v) for v in ("v1", "v2")]

        def install(index):
            """Replace the plugin's file by a rename."""
            with open(images[index], "rb") as file:
                content = file.read()
            with open(d.path("stamp.new"), "wb") as file:
                file.write(content)
            os.chmod(d.path("stamp.new"), 0o755)
            os.rename(d.path("stamp.new"), d.path("stamp.so"))

        install(0)
        d.start()
        crowd = Crowd(d, COUNT)
        wait_until(lambda: crowd.talk() or crowd.versions() == {"v1"},
                   "everybody to be heard")
        workers = d.workers()
        state, slowest = None, 0
        for i in range(1, RELOADS + 1):
            install(i % 2)
            version = "v%d" % (i % 2 + 1)
            since = d.mark()
            d.signal(signal.SIGHUP)
            while not any(" ready: " in line or "refused" in line
                          for line in d.lines[since:]):
                crowd.talk()
            check(not d.log_lines("refused", since), "refused")
            begun = time.monotonic()
            while crowd.versions() != {version}:
                crowd.talk()
                check(time.monotonic() - begun < MOVED * SLOW,
                      "some still answer from old code:", crowd.versions())
            slowest = max(slowest, time.monotonic() - begun)
            d.connect().close()		# new connections are accepted
            if i in (RELOADS // 3 // 2 * 2, RELOADS):
                # The same version as before must be mapped.
                wait_until(lambda: crowd.talk() or not [
                    pid for pid in workers
                    if len([x for x in descriptors(pid).values()
                            if "memfd:" in x and "stamp" in x]) > 1],
                           "the other image to be closed")
                # The worker may not have noticed the last close yet.
                now = None
                for _ in range(200):
                    crowd.talk()
                    now = [(len(descriptors(pid)), mappings(pid))
                           for pid in [d.pid] + workers]
                    if state in (None, now):
                        break
                if state is not None:
                    equal(now, state, "descriptors and mappings")
                    for pid, before in zip(workers, sizes):
                        check(memory(pid) - before < GROWTH or SANITIZED,
                              "a worker grew by", memory(pid) - before)
                state = now
                sizes = [memory(pid) for pid in workers]
        equal(d.workers(), workers, "workers")
        check(all(is_alive(pid) for pid in workers), "one died")
        equal(len(d.log_lines(r"generation \d+ ready")), RELOADS + 1)
        print("# all on new code within %.0f ms of the verdict"
              % (slowest * 1000))


main()

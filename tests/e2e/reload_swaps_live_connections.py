"""A reload gives open connections new code, and no byte is lost."""

import os
import resource
import signal

from sluice_test import (Daemon, SANITIZED, Skip, check, compile_plugin,
                         equal, listener, main, receive_line, wait_until)

COUNT = 1000


def stamp(d, version, **defines):
    return compile_plugin("stamp", d.path("stamp.so"), VERSION=version,
                          **defines)


def daemon(**settings):
    d = Daemon(listener("stamp", "./stamp.so"), start=False, **settings)
    stamp(d, "v1")
    d.wants_start = True
    return d


class Stream:
    """A connection that numbers its lines and checks the answers."""

    def __init__(self, s):
        self.s, self.sent, self.seen, self.rest = s, 0, 0, b""
        self.version = ""

    def send(self, count=1):
        text = b""
        for _ in range(count):
            self.sent += 1
            text += b"%d\n" % self.sent
        self.s.sendall(text)

    def receive(self):
        """Receive the answers to all lines sent."""
        while self.seen < self.sent:
            data = self.s.recv(65536)
            check(data, "end of file after", self.seen, "answers")
            lines = (self.rest + data).split(b"\n")
            self.rest = lines.pop()
            for line in lines:
                version, count, text = line.decode().split(" ")
                self.seen += 1
                equal((count, text), (str(self.seen), str(self.seen)),
                      "answer")
                check(version >= self.version, "from", self.version,
                      "back to", version)
                self.version = version


def test_one_thousand_connections():
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < COUNT + 100:
        raise Skip("too few descriptors allowed")
    with daemon(workers=2) as d:
        streams = [Stream(d.connect()) for _ in range(COUNT)]
        for generation, version in ((2, "v2"), (3, "v3"), (4, "v4")):
            for stream in streams:
                stream.send(2)
            stamp(d, version)
            since = d.mark()
            d.signal(signal.SIGHUP)

            # Keep talking during the reload.
            def is_ready():
                for stream in streams[::10]:
                    stream.send(3)
                return d.log_lines("generation %d ready" % generation, since)

            wait_until(is_ready, "generation %d" % generation)
            for stream in streams:
                stream.send()
                stream.receive()
                stream.send()
                stream.receive()
                equal(stream.version, version)
        equal({s.sent == s.seen for s in streams}, {True})


def test_quiet_connections_come_along():
    """A connection that was silent for generations gets the newest code."""
    with daemon() as d:
        quiet = Stream(d.connect())
        quiet.send()
        quiet.receive()
        for i in range(2, 6):
            stamp(d, "v%d" % i)
            d.reload_ready()
        quiet.send()
        quiet.receive()
        equal(quiet.version, "v5")


def test_half_a_line_crosses_the_reload():
    with daemon() as d:
        s = d.connect()
        s.sendall(b"one\nhal")
        equal(receive_line(s), "v1 1 one")
        stamp(d, "v2")
        d.reload_ready()
        s.sendall(b"f\n")
        equal(receive_line(s), "v2 2 half")


def test_many_reloads_under_load():
    """A different image each time; unused images are unmapped."""
    with daemon(workers=1) as d:
        streams = [Stream(d.connect()) for _ in range(20)]
        for i in range(10 if SANITIZED else 20):
            stamp(d, "v2.%02d" % i)
            since = d.mark()
            d.signal(signal.SIGHUP)
            while not d.log_lines(r"generation \d+ ready|refused", since):
                for stream in streams:
                    stream.send(5)
                    stream.receive()
            for stream in streams:
                stream.send(5)
                stream.receive()
                equal(stream.version, "v2.%02d" % i)
        worker = d.workers()[0]
        if not SANITIZED:

            def mapped():
                with open("/proc/%d/maps" % worker) as file:
                    return len({line.split()[4] for line in file
                                if "memfd" in line and "stamp" in line
                                or "memfd:" in line and ".so" in line})
            try:
                wait_until(lambda: mapped() <= 2, "old images to be unmapped")
            except PermissionError:
                pass  # a worker is not dumpable


def test_going_back_to_an_old_image():
    """The same bytes are the same plugin, whatever the file's times."""
    with daemon() as d:
        s = Stream(d.connect())
        for version in ("v2", "v1", "v2", "v1"):
            stamp(d, version)
            d.reload_ready()
            s.version = ""
            s.send()
            s.receive()
            equal(s.version, version)


def test_renamed_and_linked_files():
    """A new path with new bytes, and a symbolic link that is changed."""
    with daemon() as d:
        s = Stream(d.connect())
        compile_plugin("stamp", d.path("other.so"), VERSION="v2")
        os.unlink(d.path("stamp.so"))
        os.symlink("other.so", d.path("stamp.so"))
        d.reload_ready()
        s.send()
        s.receive()
        equal(s.version, "v2")
        d.listener("stamp")["plugin"] = "./third.so"
        compile_plugin("stamp", d.path("third.so"), VERSION="v3")
        d.write_config()
        d.reload_ready()
        s.send()
        s.receive()
        equal(s.version, "v3")


main()

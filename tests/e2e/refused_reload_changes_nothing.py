"""A reload that cannot be done is refused with a reason; all stays as it is."""

import os
import re
import shutil
import socket
import time

from sluice_test import (Daemon, SANITIZED, check, children, compile_plugin,
                         connection_descriptors, descriptors, equal,
                         listener, main, plugin, receive_line, test_plugin,
                         wait_until)


class Refusals:
    """A daemon that serves, and is asked for what it must refuse."""

    def __init__(self, workers=1):
        self.d = Daemon(listener("stamp", "./stamp.so"), start=False,
                        workers=workers)
        compile_plugin("stamp", self.d.path("stamp.so"), VERSION="v1")
        self.d.wants_start = True

    def __enter__(self):
        d = self.d.__enter__()
        try:
            self.begin(d)
        except BaseException:
            self.d.give_up()
            raise
        return self

    def begin(self, d):
        self.s = d.connect()
        self.lines = 0
        self.good = d.text()
        self.workers = d.workers()
        self.ask(self.s)
        self.held = None
        self.unchanged()
        self.held = self.descriptors()

    def __exit__(self, *how):
        return self.d.__exit__(*how)

    def descriptors(self):
        return [len(descriptors(pid) or ())
                for pid in [self.d.pid] + self.workers]

    def ask(self, s):
        self.lines += 1
        s.sendall(b"x\n")
        equal(receive_line(s), "v1 %d x" % self.lines)

    def unchanged(self):
        d = self.d
        self.ask(self.s)
        new = d.connect()
        new.sendall(b"y\n")
        equal(receive_line(new), "v1 1 y")
        new.close()
        equal(d.workers(), self.workers, "workers")
        wait_until(lambda: sum(len(connection_descriptors(pid))
                               for pid in self.workers) <= 1,
                   "the new connection to be closed")
        if self.held is not None:
            wait_until(lambda: len(children(d.pid)) == len(self.workers),
                       "the helpers to be gone")
            wait_until(lambda: self.descriptors() == self.held,
                       lambda: "descriptors to be back at %s, from %s" % (
                           self.held, self.descriptors()))

    def refused(self, *texts):
        """Reload, be refused with all these texts, and find it unchanged."""
        said = self.d.reload_refused()
        for text in texts:
            check(re.search(text, said), "no", repr(text), "in:\n" + said)
        check("keeping generation 1" in said, said)
        self.unchanged()
        return said

    def with_listener(self, *arguments, **settings):
        """The good configuration and one listener more."""
        self.d.listeners[1:] = [listener(*arguments, **settings)]
        self.d.write_config()


def test_configuration():
    with Refusals() as r:
        r.d.write("listeners = ( { name = ;\n")
        r.refused(r"sluice\.conf:1: ", "1 problem;")
        r.d.write("")
        r.refused("listeners")
        r.d.write(r.good.replace("workers = 1;", "workers = 1;\nwokers = 2;")
                  .replace('name = "stamp";', 'name = "stamp"; colour = 3;'))
        r.refused(r"sluice\.conf:2: .*wokers", r"sluice\.conf:\d: .*colour",
                  "2 problems")
        os.unlink(r.d.config)
        r.refused("sluice.conf")
        os.mkdir(r.d.config)
        r.refused("sluice.conf")
        os.rmdir(r.d.config)
        r.d.write(r.good)
        equal(r.d.reload_ready(), 2, "generation")


def test_plugin_files():
    with Refusals() as r:
        d = r.d
        r.with_listener("bad", "./missing.so")
        r.refused("missing.so.*No such file", r"sluice\.conf:\d+: ")
        r.with_listener("bad", "nosuchname")
        r.refused("nosuchname")
        for name, text in (("badabi", "ABI|abi"),
                           ("nodescriptor", "sl_plugin"),
                           ("unresolved", "sl_no_such_call"),
                           ("nohandlers", "data")):
            r.with_listener("bad", test_plugin(name))
            r.refused(text, name)
        d.write("just a text\n", "text.so")
        r.with_listener("bad", "./text.so")
        r.refused(r"text\.so")
        d.write("", "empty.so")
        r.with_listener("bad", "./empty.so")
        r.refused(r"empty\.so")
        r.with_listener("bad", "./")
        r.refused("regular|directory|plugin")
        os.mkfifo(d.path("fifo.so"))
        r.with_listener("bad", "./fifo.so")
        r.refused(r"fifo\.so")
        d.write(r.good)
        equal(d.reload_ready(), 2, "generation")


def test_truncated_plugin():
    with Refusals() as r:
        with open(plugin("echo"), "rb") as file:
            whole = file.read()
        r.with_listener("bad", "./part.so")
        for percent in (1, 10, 30, 50, 70, 90, 95, 99):
            with open(r.d.path("part.so"), "wb") as file:
                file.write(whole[:len(whole) * percent // 100])
            r.refused(r"part\.so")


def test_damaged_plugin():
    """Whatever a file does to the loader, it does to the probe."""
    with Refusals() as r:
        with open(plugin("echo"), "rb") as file:
            whole = bytearray(file.read())
        r.with_listener("bad", "./part.so")
        for at in (0, 4, 16, 32, 40, 54):   # the ELF header
            damaged = bytearray(whole)
            damaged[at:at + 4] = b"\xff\xff\xff\xff"
            with open(r.d.path("part.so"), "wb") as file:
                file.write(damaged)
            verdict = r.d.reload()
            check(not isinstance(verdict, int), "byte", at, "was taken")
            r.unchanged()


def test_constructor_that_crashes():
    with Refusals() as r:
        r.with_listener("bad", test_plugin("crash"))
        r.refused("probe was killed by SIGSEGV", r"crash\S*\.so")
        r.with_listener("bad", test_plugin("leaves"))
        r.refused("probe", r"leaves\S*\.so")


def test_constructor_that_hangs():
    with Refusals() as r:
        r.with_listener("bad", test_plugin("hang"))
        begun = time.monotonic()
        r.refused("probe", "hang")
        check(time.monotonic() - begun < 12)


def test_check_refuses():
    with Refusals() as r:
        r.with_listener("bad", test_plugin("refuse"),
                        options={"motd": "evil"})
        said = r.refused("evil is not good")
        line = next(i + 1 for i, text in enumerate(
            r.d.text().split("\n")) if "evil" in text)
        check(re.search(r"sluice\.conf:%d: .*evil" % line, said), said)
        r.with_listener("bad", test_plugin("refuse"), options={"other": 3})
        r.refused("three of them", r"sluice\.conf:\d+: ")
        r.with_listener("bad", test_plugin("refuse"), options={"other": 4})
        r.refused("bad", r"sluice\.conf:\d+: ")


def test_options():
    with Refusals() as r:
        path = test_plugin("options")
        for options, text in (
                ({"strange": 1}, "strange"),
                ({"int": "seven"}, "int"),
                ({"int": 1.5}, "int"),
                ({"bool": 1}, "bool"),
                ({"string": 5}, "string"),
                ({"duration": "5 parsecs"}, "duration"),
                ({"duration": -1}, "duration"),
                ({"size": "64KB"}, "size"),
                ({"address": "nowhere"}, "address"),
                ({"strings": [1, 2]}, "strings"),
                ({"group": 5}, "group"),
                ({"group": {"outer": 1}}, "outer")):
            r.with_listener("bad", path, options=options)
            r.refused(r"sluice\.conf:\d+: .*" + text)


def test_start_fails():
    with Refusals(workers=2) as r:
        r.with_listener("bad", test_plugin("service", FLAGS=3),
                        options={"fail": True})
        r.refused('listener "bad".*start')


def test_start_fails_in_one_worker():
    """Those that could are told to forget it; their state is stopped."""
    with Refusals(workers=3) as r:
        directory = r.d.open_directory("locks")
        for i in range(3):
            since = r.d.mark()
            r.with_listener("bad", test_plugin("service", FLAGS=3),
                            options={"lock": "%s/%d" % (directory, i)})
            r.refused("bad")
            equal(len(r.d.log_lines("service start", since)), 1, "starts")
            r.d.wait_log("service stop", since)
            equal(len(r.d.log_lines("service stop", since)), 1, "stops")
            r.d.wait_log("lock is taken", since)


def test_images_that_may_not_be_unloaded():
    """They stay, after a refusal too; but the same one is kept once."""
    with Refusals() as r:
        r.held = None
        counts = []
        for _ in range(4):
            r.with_listener("bad", test_plugin("service"),
                            options={"fail": True})
            r.refused("start")
            wait_until(lambda: len(children(r.d.pid)) == 1, "the probe")
            counts.append(r.descriptors())
        equal(counts[1:], counts[:1] * 3, "descriptors")


def test_reload_callback_fails():
    with Refusals(workers=2) as r:
        r.with_listener("svc", test_plugin("service"))
        equal(r.d.reload_ready(), 2)
        s = r.d.connect("svc")
        s.sendall(b"x")
        equal(s.recv(1), b"x")
        directory = r.d.open_directory("locks")
        r.d.listeners[1]["options"] = {"lock": directory + "/x"}
        r.d.write_config()
        since = r.d.mark()
        said = r.d.reload_refused()
        check("keeping generation 2" in said, said)
        begun = len(r.d.log_lines("service reload", since))
        check(begun > 0, "nobody could")
        r.d.wait_log("service stop", since, count=begun)
        s.sendall(b"y")
        equal(s.recv(1), b"y")
        for _ in range(5):
            other = r.d.connect("svc")
            other.sendall(b"z")
            equal(other.recv(1), b"z")


def test_address_in_use():
    with Refusals() as r:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            address = "127.0.0.1:%d" % busy.getsockname()[1]
            r.with_listener("bad", plugin("echo"), address)
            r.refused(re.escape(address), "in use")
        r.with_listener("bad", plugin("echo"), "unix:" + r.d.path("no/dir"))
        r.refused("no/dir")
        r.with_listener("bad", plugin("echo"), "192.0.2.1:7")
        r.refused(r"192\.0\.2\.1:7")
        # A new one that could be bound is given up with the one that cannot.
        with socket.create_server(("127.0.0.1", 0)) as busy:
            address = "127.0.0.1:%d" % busy.getsockname()[1]
            r.with_listener("bad", plugin("echo"),
                            ["unix:" + r.d.path("sock"), address])
            r.refused("in use")
            check(not os.path.exists(r.d.path("sock")), "a path is left")


def test_number_is_not_used_up():
    with Refusals() as r:
        for _ in range(3):
            r.d.write("nonsense")
            r.refused()
        r.d.write(r.good)
        equal(r.d.reload_ready(), 2, "generation")


def test_good_again_after_bad():
    """The next good reload works as if nothing had been."""
    with Refusals() as r:
        d = r.d
        for i in range(2, 4 if SANITIZED else 6):
            shutil.copy(test_plugin("crash"), d.path("stamp.so"))
            d.reload_refused()
            compile_plugin("stamp", d.path("stamp.so"), VERSION="v%d" % i)
            equal(d.reload_ready(), i)
            r.lines += 1
            r.s.sendall(b"x\n")
            equal(receive_line(r.s), "v%d %d x" % (i, r.lines))


main()

"""For tests of refused reloads: a daemon that must refuse them, and checks
that nothing has changed."""

import re

from sluice_test import (Daemon, TEXT_LINE, check, children, compile_plugin,
                         connection_descriptors, descriptors, equal,
                         family, listener, receive_line, wait_until)


class Refusals:
    """A daemon that serves while it refuses reloads."""

    def __init__(self, workers=1, **settings):
        self.d = Daemon(listener("stamp", "./stamp.so"), start=False,
                        workers=workers, **settings)
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
            wait_until(lambda: sorted(family(d))
                       == sorted([d.pid] + self.workers),
                       lambda: "orphans to be gone: %s" % (
                           family(d)))
            wait_until(lambda: self.descriptors() == self.held,
                       lambda: "descriptors to be back at %s, from %s" % (
                           self.held, self.descriptors()))

    def refused(self, *texts):
        """Reload; it must be refused with these texts and change nothing."""
        said = self.d.reload_refused()
        for text in texts:
            check(re.search(text, said), "no", repr(text), "in:\n" + said)
        check("keeping generation 1" in said, said)
        self.unchanged()
        return said

    def errors(self):
        """The errors that were logged since the reload began."""
        found = []
        for line in self.d.log_lines("", self.d.reload_mark):
            match = TEXT_LINE.match(line)
            if match and match.group(1) == "error":
                found.append(match.group(3))
        return found

    def refused_once(self, text, name="bad"):
        """The same, with one error, at the line of that listener."""
        said = self.refused(r"reload refused: 1 problem; keeping")
        reasons = [line for line in self.errors()
                   if not line.startswith("reload refused")]
        equal(len(reasons), 1, "sentences, in " + "\n".join(reasons))
        line = next(i + 1 for i, one in enumerate(self.d.text().split("\n"))
                    if 'name = "%s"' % name in one)
        check(re.search(r"sluice\.conf:%d: .*(?:%s)" % (line, text),
                        reasons[0]), "no", repr(text), "in:", reasons[0])
        return said

    def with_listener(self, *arguments, **settings):
        """Write the good configuration with one more listener."""
        self.d.listeners[1:] = [listener(*arguments, **settings)]
        self.d.write_config()

    def without(self, path, text):
        """Reload with a plugin that is refused by one error with that text."""
        self.with_listener("bad", path)
        return self.refused_once(text)

    def ready_again(self):
        """The next good reload works."""
        del self.d.listeners[1:]
        self.d.write_config()
        check(self.d.reload_ready() == 2)

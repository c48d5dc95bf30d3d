"""sluicectl top: a screen of what happens now, which leaves no trace."""

import json
import os
import shutil
import signal
import socket
import threading

from sluice_test import (SLUICECTL, Daemon, check, compile_plugin, equal,
                         listener, main, make_directory, plugin, receive,
                         run_program, scratch, wait_until)
from harness.terminal import Terminal

HELP = "q quit"
NO_RATES = r"^echo .* - +- +echo$"


def daemon(*listeners, **settings):
    return Daemon(*(listeners or [listener("echo", plugin("echo"))]),
                  control="control.sock", **settings)


def top(d, **how):
    return Terminal([SLUICECTL, "-s", d.path("control.sock"), "top"], **how)


def quit_it(t):
    t.type("q")
    equal(t.wait_end(), 0)
    check(t.restored(), "the terminal is left as it was not")
    t.close()


def test_what_is_shown():
    with daemon(listener("echo", plugin("echo")),
                listener("quiet", plugin("lines"), timeouts={"idle": 0}),
                workers=2) as d:
        s = d.connect("echo")
        ended = threading.Event()

        def talk():
            while not ended.is_set():
                try:
                    s.sendall(b"x" * 1000)
                    receive(s, 1000)
                except OSError:
                    return      # the test has failed

        thread = threading.Thread(target=talk)
        thread.start()
        t = top(d)
        t.wait_text(NO_RATES)
        t.wait(lambda: HELP in t.lines()[-1], "the help")
        t.wait_text(r"^sluiced \S+, process %d, up .*; generation 1; reload: "
                    r"idle; crashes: 0$" % d.pid)
        # Bytes in and out, a worker that works, and the connection.
        number = r"[1-9][\d.]*[KM]?"
        t.wait_text(r"^echo +1 +\d+ +%s +%s +0 +0 +echo$" % (number, number))
        t.wait_text(r"^quiet +0 +0 +0 +0 +0 +0 +lines$")
        percent = r"[\d.]*[1-9][\d.]*"
        t.wait_text(r"CPU% +BUSY% +LAG MS +MEMORY")
        t.wait_text(r"^ +\d +\d+ +serving +1 +%s +%s +[\d.]+ +%s +0$"
                    % (percent, percent, number))
        t.wait_text(r"^ +\d+ +echo +127\.0\.0\.1:%d +open .* %s +%s "
                    % (s.getsockname()[1], number, number))
        ended.set()
        thread.join()
        t.wait_text(r"^echo +1 +0 +0 +0 +0 +0 +echo$")
        quit_it(t)


def test_keys():
    with daemon() as d:
        d.connect("echo")
        t = top(d)
        t.wait_text("connections by rate, listeners by the configuration")
        t.type("s")
        t.wait_text("connections by in, ")
        t.type("o")
        t.wait_text("listeners by traffic")
        t.type("+")
        t.wait_text("every 2000 ms")
        t.type("--")
        t.wait_text("every 500 ms")
        t.type("\t")
        t.wait(lambda: "WORKER " not in t.text() and "LISTENER" in t.text(),
               "the listeners alone")
        t.type("\t")
        t.wait(lambda: "LISTENER" not in t.text() and "BUSY%" in t.text(),
               "the workers alone")
        t.type("\t")
        t.wait(lambda: "BUSY%" not in t.text() and "PEER" in t.text(),
               "the connections alone")
        t.type("\t")
        t.wait_text("BUSY%")
        t.type("p")
        t.wait_text("PAUSED")
        # What is paused stays as it is, also on another screen.
        since = t.wait_text(r"up (\d+) s").group(1)
        t.type("x\x1b[A ")
        t.wait(lambda: "PAUSED" not in t.text(), "it goes on")
        t.wait(lambda: t.wait_text(r"up (\d+) s").group(1) != since, "news")
        quit_it(t)


def test_sizes():
    with daemon(*[listener("echo%d" % i, plugin("echo"))
                  for i in range(40)]) as d:
        t = top(d)
        t.wait_text(r"^and 3\d more$")
        for rows, columns in (7, 80), (24, 39), (1, 1):
            t.set_size(rows, columns)
            t.wait(lambda: t.text().startswith(
                "the terminal is too small"[:columns]), "too small")
        t.set_size(60, 50)
        t.type("\t")
        t.wait_text(r"^echo39 ")
        t.wait(lambda: HELP in t.lines()[-1], "the help")
        t.type("\t\t\t")
        t.set_size(8, 40)
        t.wait_text(r"^and 3\d more$")
        t.wait(lambda: HELP in t.lines()[-1], "the help")
        quit_it(t)


ODD = """
#include <sluice.h>
static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}
SL_PLUGIN(.name = "日本\\033[31m\\377", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def test_names_that_are_not_plain():
    odd = compile_plugin(ODD, os.path.join(scratch(), "odd.so"))
    with daemon(listener("odd", odd),
                listener("plain", plugin("echo"))) as d:
        t = top(d)
        t.wait_text(r"^odd +0 .* 日本\\x1b\[31m\\xff$")
        t.wait_text(r"^plain +0 .* echo$")
        quit_it(t)
        # Where the terminal has no such characters, it gets none.
        t = top(d, env={"LC_ALL": "C"})
        t.wait_text(r"^odd +0 .* \?+\\x1b\[31m\\xff$")
        quit_it(t)


def test_signals_give_the_terminal_back():
    with daemon() as d:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT,
                       signal.SIGQUIT):
            t = top(d)
            t.wait_text(NO_RATES)
            check(not t.restored(), "it uses the terminal")
            if number == signal.SIGINT:
                t.type("\x03")
            else:
                os.kill(t.process.pid, number)
            equal(t.wait_end(), -number)
            check(t.restored(), number)
            t.close()


def test_a_daemon_that_ends_and_comes_back():
    with daemon() as d:
        t = top(d)
        t.wait_text(NO_RATES)
        d.signal(signal.SIGTERM)
        d.wait_exit()
        t.wait_text(r"^trying again; cannot reach sluiced at ")
        d.start()
        t.wait_text(r"process %d, " % d.pid)
        t.wait(lambda: "trying again" not in t.text(), "an answer")
        quit_it(t)


def test_where_it_cannot_run():
    with daemon() as d:
        command = [SLUICECTL, "-s", d.path("control.sock"), "top"]
        said = run_program(command)
        equal((said.returncode, said.stdout), (2, ""))
        check("top needs a terminal" in said.stderr
              and "status --rates" in said.stderr, said.stderr)
        for term, what in (("", "set TERM"), ("dumb", "move its cursor"),
                           ("nonsense-7", 'terminal "nonsense-7"')):
            t = Terminal(command, env={"TERM": term})
            equal(t.wait_end(), 2, term)
            check(what in t.process.stderr.read().decode(), term)
            check(t.restored() and t.text().strip() == "", term)
            t.close()
        t = Terminal(command[:2] + [d.path("nobody.sock"), "top"])
        equal(t.wait_end(), 3)
        check("cannot reach sluiced" in t.process.stderr.read().decode(), "")
        check(t.text().strip() == "", "the screen")
        t.close()
        equal(run_program(command + ["--json"]).returncode, 2)
        # It is no command of the daemon.
        check("no command" in d.ask("top")["error"], d.ask("top"))


class Imposter:
    """Listens in place of sluiced, and says anything."""

    def __init__(self):
        self.path = os.path.join(make_directory(), "control.sock")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.path)
        self.sock.listen()
        self.says = b""
        self.kept = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s = self.sock.accept()[0]
                s.recv(4096)
                s.sendall(self.says)
            except OSError:
                return
            self.kept.append(s)         # it may say more, but does not

    def end(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        shutil.rmtree(os.path.dirname(self.path))


def test_an_answer_of_anything():
    it = Imposter()
    it.says = json.dumps({
        "ok": True, "version": 7, "pid": -1, "generation": [], "reload": {},
        "uptime_s": -(1 << 62), "crashes": "many",
        "listeners": [{"name": "\x1b[2J\u20ac" * 200, "counts": [],
                       "connections": 1 << 62}] + [7, None] * 3000,
        "connectors": {"x": 1},
        "workers": [{"pid": 1 << 62, "worker": -5, "doing": "\x9b" * 500,
                     "loop_lag_us": -(1 << 62),
                     "counts": {"callbacks": {"us": "x"}}}],
        "conns": [[], {"id": -1, "age_ms": 1 << 62, "peer": "a" * 5000}] * 500,
    }).encode() + b"\n"
    t = Terminal([SLUICECTL, "-s", it.path, "top"])
    t.wait_text(r"^LISTENER")
    t.wait_text(r"^and 40\d\d more$")
    t.wait_text(r"x1b\[2J")
    for key in "\t\t\tso":
        t.type(key)
    t.wait_text("by in, listeners by traffic")
    # Half of an answer: it is not waited for without end.
    it.says = it.says[:1000]
    t.wait_text(r"^trying again; ")
    quit_it(t)
    it.end()


def test_a_terminal_that_goes_away():
    with daemon() as d:
        t = top(d)
        t.wait_text(NO_RATES)
        os.close(t.slave)
        os.close(t.master)
        wait_until(lambda: t.process.poll() is not None, "its end")
        t.process.communicate()


main()

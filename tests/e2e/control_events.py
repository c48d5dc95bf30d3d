"""sluicectl events tells what happens, and holds nobody up."""

import json
import signal
import socket
import subprocess

from sluice_test import (SLUICECTL, Daemon, check, equal, expect_gone,
                         listener, main, plugin, receive, run_program,
                         test_plugin, wait_until)

FOLLOWERS = 16      # daemon/master/control_events.c


def daemon(*listeners, **settings):
    return Daemon(*(listeners or [listener("echo", plugin("echo"))]),
                  control="control.sock", **settings)


class Follower:
    """A client of the control socket itself."""

    def __init__(self, d, **options):
        self.socket = d.control_client()
        self.file = self.socket.makefile("r")
        self.socket.sendall(json.dumps(dict(options, command="events"))
                            .encode() + b"\n")
        self.first = self.next()

    def next(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def of(self, kind):
        """The next one of this kind."""
        while True:
            event = self.next()
            check(event is not None, "the end, without", kind)
            if event["kind"] == kind:
                return event

    def close(self):
        self.file.close()
        self.socket.close()


def test_verdicts():
    with daemon() as d:
        f = Follower(d)
        equal(f.first["ok"], True)
        check({"verdict", "crash", "slow"} <= set(f.first["kinds"]), f.first)
        d.listener("echo")["backlog"] = 7
        d.write_config()
        d.reload_ready()
        event = f.next()
        equal((event["kind"], event["level"], event["generation"]),
              ("verdict", "info", 2))
        check(event["text"].startswith("generation 2 ready: "), event)
        equal(event["changes"], ["echo: backlog is 7, was 4096"])
        check(event["time"].endswith("Z"), event)
        d.listener("echo")["frobnicate"] = 7
        d.write_config()
        d.reload_refused()
        event = f.next()
        equal((event["level"], len(event["problems"]), event["changes"]),
              ("error", 1, []))
        check("frobnicate" in event["problems"][0], event)
        # The follower lives on over both; a rollback is told when it begins.
        d.sluicectl("rollback")
        check("going back to generation 1" in f.of("rollback")["text"], "")
        check("(as generation 1)" in f.of("verdict")["text"], "the verdict")
        f.close()


def test_crashes_hangs_and_slow_callbacks():
    with daemon(listener("room", test_plugin("crasher"),
                         options={"at": "data", "how": "segv"}),
                listener("slow", test_plugin("crasher"), options={
                    "at": "data", "how": "sleep", "ms": 150}),
                listener("hang", test_plugin("crasher"), options={
                    "at": "data", "how": "sleep", "ms": 5000}),
                watchdog="400ms",
                probation=0, pairs=False) as d:
        f = Follower(d)
        s = d.connect("slow")
        s.sendall(b"x")
        event = f.of("slow")
        equal((event["kind"], event["level"], event["worker"],
               event["listener"], event["plugin"], event["callback"]),
              ("slow", "warn", 1, "slow", "crasher", "data"))
        check(event["ms"] >= 150 and event["text"].startswith("conn ")
              and "callback data of plugin crasher took" in event["text"],
              event)
        (pid,) = d.workers()
        s = d.connect("room")
        s.sendall(b"x")
        expect_gone(s)
        event = f.of("crash")
        equal((event["kind"], event["level"], event["worker"], event["pid"],
               event["generation"]), ("crash", "error", 1, pid, 1))
        check("was killed by SIGSEGV" in event["text"], event)
        check(any("crasher" in line and "room" in line
                  for line in event["report"]), event)
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        s = d.connect("hang")
        s.sendall(b"x")
        while "aborting it" not in f.of("hang")["text"]:
            pass
        f.of("crash")
        f.close()


def test_what_operators_do():
    with daemon() as d:
        f = Follower(d)
        d.sluicectl("log-level", "debug")
        event = f.next()
        equal(event["kind"], "command")
        check("logging at level debug" in event["text"], event)
        equal(d.sluicectl("workers", "recycle", "1").returncode, 0)
        check("recycling it" in f.of("command")["text"], "the order")
        check("in place of" in f.of("command")["text"], "the new process")
        d.sluicectl("drain", "echo")
        check("drain echo" in f.of("listener")["text"], "the drain")
        d.signal(signal.SIGTERM)
        check("stopping (SIGTERM)" in f.of("stop")["text"], "the stop")
        d.wait_exit()
        while f.next() is not None:
            pass
        f.close()


def start(d, *words):
    return subprocess.Popen([SLUICECTL, "-s", d.path("control.sock"), "events"]
                            + list(words), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_sluicectl_prints_them():
    with daemon() as d:
        one, other = start(d, "--kind", "verdict,stop"), start(d, "--json")
        equal(json.loads(other.stdout.readline())["ok"], True)
        d.sluicectl("log-level", "info")
        equal(json.loads(other.stdout.readline())["kind"], "command")
        d.listener("echo")["frobnicate"] = 7
        d.write_config()
        d.reload_refused()
        # Lines arrive as they happen, also in a pipe.
        equal(json.loads(other.stdout.readline())["kind"], "verdict")
        line = one.stdout.readline()
        check(" verdict: reload refused: 1 problem" in line, line)
        line = one.stdout.readline()
        check(line.startswith("    %s:" % d.config), line)
        d.signal(signal.SIGTERM)
        said = one.communicate()
        equal(one.returncode, 3)
        check(" stop: stopping (SIGTERM)" in said[0], said)
        check("no more from sluiced" in said[1] and
              "it has stopped, or was upgraded: ask again" in said[1], said)
        other.communicate()
        d.wait_exit()


def test_kinds():
    known = run_program([SLUICECTL, "--words", "events", "--kind"])
    with daemon() as d:
        for kind in known.stdout.split() + ["crash,slow"]:
            f = Follower(d, kind=kind)
            equal(f.first, {"ok": True, "kinds": kind.split(",")})
            f.close()
        equal(Follower(d).first["kinds"], known.stdout.split())
        for bad in "nonsense", "", "crash,", "crash,,slow", "crash slow":
            said = d.sluicectl("events", "--kind", bad)
            equal((said.returncode, said.stdout), (1, ""), bad)
            check("there is no kind" in said.stderr, said.stderr)


def test_one_that_does_not_read():
    with daemon() as d:
        d.listeners = [listener("x" * 60 + str(i), plugin("echo"), a=i)
                       for i in range(150)]
        d.write_config()
        lazy = Follower(d)
        eager = Follower(d)
        texts = 0
        # Far more than its queue and the buffer of its socket can hold.
        for _ in range(60):
            d.ask("reload", wait=True)
            event = eager.of("verdict")
            texts += len(json.dumps(event))
        check(texts > 600000, texts)
        seen = lost = 0
        while lost == 0:
            event = lazy.next()
            if event["kind"] == "lost":
                lost = event["count"]
            else:
                seen += 1
        equal(seen + lost, 60)
        check(seen > 5, seen)
        # From here on it has all again.
        d.ask("log-level", level="info")
        equal(lazy.next()["kind"], "command")
        lazy.close()
        eager.close()


def full(d):
    f = Follower(d)
    f.close()
    return not f.first["ok"]


def test_how_many():
    with daemon() as d:
        many = [Follower(d) for _ in range(FOLLOWERS)]
        said = d.sluicectl("events")
        equal(said.returncode, 1)
        check("16 clients follow events already" in said.stderr, said.stderr)
        # Others are served as ever.
        equal(d.ask("status")["ok"], True)
        many.pop().close()
        wait_until(lambda: not full(d), "a place")
        # One that has shut down its side is still told, and noticed to leave.
        one = Follower(d)
        one.socket.shutdown(socket.SHUT_WR)
        d.ask("log-level", level="info")
        equal(one.next()["kind"], "command")
        check(full(d), "it counts")
        one.close()
        wait_until(lambda: not full(d), "a place again")
        # Much more input than a request is an attack.
        many[0].socket.sendall(b"x" * 70000)
        expect_gone(many[0].socket)
        for f in many:
            f.close()


def test_a_request_without_its_newline():
    with daemon() as d:
        s = d.control_client()
        s.sendall(b'{"command": "events"}')
        s.shutdown(socket.SHUT_WR)
        check(receive(s, 10).startswith(b'{"ok":true'), "the first line")
        s.close()


main()

"""sluicectl status: what is served, by whom, and that nobody has to be waited for."""

import hashlib
import os
import signal
import socket
import subprocess
import time

from sluice_test import (SLOW, SLUICECTL, Daemon, check, equal, listener, main,
                         plugin, receive, run_program, test_plugin,
                         wait_until)


def daemon(*listeners, **settings):
    return Daemon(*(listeners or [listener("echo", plugin("echo"))]),
                  control="control.sock", **settings)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def echo(d, name=None):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    return s


def test_json():
    with daemon(listener("echo", plugin("echo"), ["127.0.0.1:0", "[::1]:0"]),
                listener("room", plugin("chat")), workers=3) as d:
        for _ in range(5):
            echo(d, "echo")
        said = d.ask("status")
        equal(said["ok"], True)
        equal((said["pid"], said["config"], said["generation"]),
              (d.pid, d.config, 1))
        equal((said["previous"], said["reload"], said["crashes"]),
              (None, "idle", 0))
        check(said["last"]["ok"], said["last"])
        check("generation 1 ready" in said["last"]["verdict"], said["last"])

        equal([w["worker"] for w in said["workers"]], [1, 2, 3])
        equal([w["pid"] for w in said["workers"]], d.workers())
        for w in said["workers"]:
            equal((w["state"], w["generation"], w["restarts"],
                   w["slow_callbacks"], w["aborts"]), ("serving", 1, 0, 0, 0))
        equal(sum(w["connections"] for w in said["workers"]), 5)

        first, second = said["listeners"]
        equal(first["name"], "echo")
        equal(sorted(first["addresses"]), sorted(d.addresses("echo")))
        equal((first["plugin"], first["version"]), ("echo", "1.0"))
        equal(first["image"], sha256(plugin("echo")))
        equal(first["connections"], 5)
        equal((second["name"], second["connections"]), ("room", 0))

        # The program prints the same line.
        result = d.sluicectl("--json", "status")
        equal(result.returncode, 0)
        equal(result.stderr, "")
        check('"generation":1' in result.stdout, result.stdout)


def test_text():
    with daemon(workers=2) as d:
        result = d.sluicectl("status")
        equal((result.returncode, result.stderr), (0, ""))
        for what in ("process %d" % d.pid, d.config, "generation 1;",
                     "generation 1 ready", "127.0.0.1:%d" % d.port("echo"),
                     "echo 1.0", sha256(plugin("echo"))[:8]):
            check(what in result.stdout, what, "in", result.stdout)
        for pid in d.workers():
            check(" %d " % pid in result.stdout, pid, "in", result.stdout)


def test_it_follows():
    """Restarts, generations, verdicts, slow callbacks."""
    with daemon(listener("slow", test_plugin("crasher"),
                         options={"at": "data", "how": "sleep", "ms": 300}),
                workers=1) as d:
        equal(d.ask("status")["workers"][0]["slow_callbacks"], 0)
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        wait_until(lambda: d.ask("status")["workers"][0]["slow_callbacks"]
                   == 1, "the slow callback in status")

        os.kill(d.workers()[0], signal.SIGKILL)
        wait_until(lambda: len(d.log_lines(r"worker 1 .* started")) == 2,
                   "the next worker")
        worker = d.ask("status")["workers"][0]
        equal((worker["pid"], worker["restarts"], worker["connections"]),
              (d.workers()[0], 1, 0))
        equal(d.ask("status")["crashes"], 1)

        d.listener("slow")["options"]["ms"] = 301
        d.write_config()
        equal(d.reload_ready(), 2)
        said = d.ask("status")
        equal((said["generation"], said["previous"]), (2, 1))
        d.write("nonsense")
        d.reload_refused()
        said = d.ask("status")
        equal((said["generation"], said["last"]["ok"]), (2, False))
        check("reload refused" in said["last"]["verdict"], said["last"])


def test_nobody_is_waited_for():
    """A worker that does nothing does not hold up the master."""
    with daemon(workers=2, watchdog=0) as d:
        worker = d.workers()[0]
        os.kill(worker, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            for _ in range(50):
                equal(d.ask("status")["ok"], True)
            check(time.monotonic() - begun < 2 * SLOW)
        finally:
            os.kill(worker, signal.SIGCONT)


def test_stopped_by_its_plugin():
    with daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"stop 0\n")
        d.wait_log("listener c was stopped")
        equal(d.ask("status")["listeners"][0]["addresses"], [])
        check("stopped by its plugin" in d.sluicectl("status").stdout)


def test_closed_while_it_stops():
    """A listener that closed because the daemon stops was not stopped by its plugin."""
    with daemon() as d:
        s = echo(d)
        d.signal(signal.SIGTERM)
        d.wait_log("draining")
        aside = "%s.%d" % (d.path("control.sock"), d.pid)
        said = d.sluicectl("-s", aside, "status").stdout
        check("(closed: sluiced is stopping)" in said, said)
        check("its plugin" not in said, said)
        s.close()
        d.wait_exit()


def test_nothing_steers_the_terminal():
    """Not what a plugin says of itself, and not by U+009B, either."""
    version = "v\u009b2J\u007f\u00e9"
    with daemon(listener("stamp", test_plugin("stamp", VERSION=version))) as d:
        equal(d.ask("status")["listeners"][0]["version"], version)
        check("stamp v?2J?\u00e9 " in d.sluicectl("status").stdout,
              d.sluicectl("status").stdout)


def test_strange_answers():
    """From something else than sluiced: nothing worse than a strange text."""
    with daemon() as d:
        path = d.path("other.sock")
        other = socket.socket(socket.AF_UNIX)
        other.bind(path)
        other.listen(1)
        for answer, status in (
                (b"", 3), (b"{\n", 3), (b"[]\n", 3), (b'{"ok": true}', 3),
                (b'{"ok": 1}\n', 3), (b"x" * (5 << 20), 3),
                (b'{"ok": false}\n', 1),
                (b'{"ok": false, "problems": [1, null], "verdict": []}\n', 1),
                (b'{"ok": true, "problems": [{}, null]}\n', 0)):
            program = subprocess.Popen(
                [SLUICECTL, "-s", path, "reload", "--wait"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            s = other.accept()[0]
            s.recv(4096)
            try:
                s.sendall(answer)
            except OSError:
                pass                    # it had enough
            s.close()
            said = program.communicate()
            equal(program.returncode, status, "of %r" % answer[:80])
            check(b"runtime error" not in said[1], said)
        other.close()


def test_usage():
    for words in ([], ["frobnicate"], ["status", "--wait"], ["--nonsense"],
                  ["reload", "now"], ["-s"]):
        result = run_program([SLUICECTL] + words)
        equal(result.returncode, 2, "exit status of %s" % words)
        check("usage:" in result.stderr, result.stderr)
        equal(result.stdout, "")
    result = run_program([SLUICECTL, "--help"])
    equal(result.returncode, 0)
    for command in ("status", "reload [--wait] [--force]", "generations",
                    "rollback", "crashes"):
        check(command in result.stdout, result.stdout)
    equal(run_program([SLUICECTL, "-V"]).returncode, 0)


def test_unreachable():
    with daemon() as d:
        for path, why in ((d.path("nothing"), "No such file"),
                          (d.config, "Connection refused"),
                          ("x" * 200, "too long")):
            result = run_program([SLUICECTL, "-s", path, "status"])
            equal(result.returncode, 3, "exit status for " + path)
            check(why in result.stderr and path in result.stderr,
                  result.stderr)
        # A program that cannot print does not say that all is well.
        with open("/dev/full", "w") as full:
            equal(subprocess.call([SLUICECTL, "-s", d.path("control.sock"),
                                   "status"], stdout=full,
                                  stderr=subprocess.DEVNULL), 1)


def test_off_by_default():
    with Daemon(listener("echo", plugin("echo"))) as d:
        equal(sorted(os.listdir(d.directory)), ["sluice.conf"])


main()

"""sluicectl status shows listeners and workers, and waits for no worker."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import time

from sluice_test import (SANITIZED, SLOW, SLUICECTL, SLUICED, Daemon, check,
                         equal, listener, main, plugin, receive, run_program,
                         test_plugin, wait_until)


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
            with open("/proc/%d/status" % w["pid"]) as file:
                resident = re.search(r"VmRSS:\s+(\d+) kB", file.read())
            check(abs(int(resident.group(1)) * 1024 - w["memory"]) < 1 << 20,
                  "memory", w["memory"])
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


def test_how_late_the_loop_of_a_worker_is():
    with Daemon(listener("slow", test_plugin("crasher"), options={
            "at": "data", "how": "sleep", "ms": 4000}),
            control="control.sock", watchdog="10s") as d:
        def worker():
            return d.ask("status")["workers"][0]

        wait_until(lambda: worker()["loop_lag_us"] > 0, "a look")
        s = d.connect()
        s.sendall(b"x")
        # While the callback runs the worker itself says nothing.
        late = wait_until(lambda: worker()["loop_lag_us"] > 200000 and
                          worker(), "a loop that is late")
        check("doing" in late, late)
        receive(s, 1)
        wait_until(lambda: worker()["loop_lag_us"] < 200000, "a loop that is"
                   " not late any more")
        now = worker()
        check(now["loop_lag_max_us"] > 200000, now)
        said = d.sluicectl("metrics").stdout
        for name in "loop_lag_seconds", "loop_lag_max_seconds":
            check(re.search(r"sluice_worker_%s{.*} \d+\.\d{6}\n" % name, said),
                  name, said)
        head, row = d.sluicectl("status").stdout.split("WORKER ")[1].split(
            "\n")[:2]
        check(head.endswith("LAG") and row.endswith(" ms"), head, row)


def test_heap_and_descriptors():
    with daemon(workers=1) as d:
        def worker():
            return d.ask("status")["workers"][0]

        d.wait_log("generation 1 ready")
        before = worker()
        # A sanitizer's malloc(3) says nothing of itself.
        check(SANITIZED or 0 < before["heap"] < before["memory"], before)
        with open("/proc/%d/limits" % before["pid"]) as file:
            soft = int(re.search(r"Max open files +(\d+)", file.read())[1])
        equal(before["descriptors_max"], soft)
        made = [echo(d) for _ in range(100)]
        wait_until(lambda: worker()["descriptors"] >=
                   before["descriptors"] + 100, "100 more descriptors")
        now = worker()
        check(SANITIZED or now["heap"] > before["heap"] + 100 * 100,
              now["heap"])
        said = d.sluicectl("status").stdout
        check("%d of %d" % (now["descriptors"], soft) in said, said)
        said = d.sluicectl("metrics").stdout
        for name, value in (("open_fds", now["descriptors"]),
                            ("max_fds", soft), ("heap_bytes", "[0-9]+")):
            check(re.search(r'sluice_worker_%s{worker="1",group="default"} %s\n' %
                            (name, value), said), name, said)
        for s in made:
            s.close()
        wait_until(lambda: worker()["descriptors"] <=
                   now["descriptors"] - 100, "100 fewer descriptors")


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
    """Status follows restarts, generations, verdicts and slow callbacks."""
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


def test_a_stopped_worker_is_not_waited_for():
    """A stopped worker does not hold up the answer."""
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
    """A listener closed by a stop is not shown as stopped by its plugin."""
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


def is_printable(text):
    return all(c == "\n" or c.isprintable() for c in text)


def test_nothing_steers_the_terminal():
    """Texts from a plugin are escaped, U+009B included."""
    version = "v\u009b2J\u007f\u00e9"
    with daemon(listener("stamp", test_plugin("stamp", VERSION=version))) as d:
        equal(d.ask("status")["listeners"][0]["version"], version)
        said = d.sluicectl("status").stdout
        check("stamp v\\xc2\\x9b2J\\x7f\u00e9 " in said, said)
        check(is_printable(said), said)


def test_bytes_are_shown_as_the_log_shows_them():
    """Bytes that are not UTF-8 look the same in answers and in the log."""
    path = test_plugin("stamp", VERSION="v\\xff-\u00e9")
    with daemon(listener("stamp", path), workers=2) as d:
        shown = "v\\xff-\u00e9"
        equal(d.ask("status")["listeners"][0]["version"], shown)
        check("stamp %s " % shown in d.sluicectl("status").stdout)
        described = run_program([SLUICED, "--describe", path])
        check(" %s\n" % shown in described.stdout, described.stdout)
        described = run_program([SLUICED, "--describe", path, "--json"])
        equal(json.loads(described.stdout)["version"], shown)


def test_times_are_those_of_the_log():
    """Times have milliseconds, so that the line of the log can be found."""
    when = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ"
    with daemon() as d:
        last = d.ask("status")["last"]
        check(re.fullmatch(when, last["time"]), last)
        check(re.search("last verdict, %s: " % when,
                        d.sluicectl("status").stdout))
        line = d.log_lines("generation 1 ready")[0]
        check(re.match(when, line), line)


def answer_with(path, answer, *words):
    """Give sluicectl this answer.  Returns (status, stdout, stderr)."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(1)
        program = subprocess.Popen(
            [SLUICECTL, "-s", path] + list(words),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        s = other.accept()[0]
        s.recv(4096)
        try:
            s.sendall(answer)
        except OSError:
            pass                        # sluicectl has closed already
        s.close()
        said = program.communicate()
        os.unlink(path)
    check(b"runtime error" not in said[1], said)
    return program.returncode, said[0].decode(), said[1].decode()


def test_strange_answers():
    """Answers that are not from sluiced are printed safely or refused."""
    with daemon() as d:
        for answer, status in (
                (b"", 3), (b"{\n", 3), (b"[]\n", 3), (b'{"ok": true}', 3),
                (b'{"ok": 1}\n', 3), (b"x" * (5 << 20), 3),
                (b'{"ok": false}\n', 1),
                (b'{"ok": false, "problems": [1, null], "verdict": []}\n', 1),
                (b'{"ok": true, "problems": [{}, null]}\n', 0)):
            equal(answer_with(d.path("other.sock"), answer,
                              "reload", "--wait")[0],
                  status, "of %r" % answer[:80])


def strange(value):
    """The same answer, with escape sequences in each of its strings."""
    if isinstance(value, dict):
        return {name: strange(one) for name, one in value.items()}
    if isinstance(value, list):
        return [strange(one) for one in value] + [1, None, {}]
    return "\x1b[2J\u009b2J\x7f\t\r" if isinstance(value, str) else value


def test_no_answer_steers_the_terminal():
    """An answer cannot control the terminal, whatever member has the bytes."""
    with daemon() as d:
        os.kill(d.workers()[0], signal.SIGKILL)
        wait_until(lambda: d.ask("crashes")["count"] == 1, "a crash")
        d.reload_ready()
        for command in ("status", "generations", "crashes", "reload"):
            answer = d.ask(command)
            for worker in answer.get("workers", []):
                worker["doing"] = "it hangs"    # as if it did not answer
            line = json.dumps(strange(answer)).encode() + b"\n"
            status, *said = answer_with(d.path("other.sock"), line, command)
            equal(status, 0)
            check(is_printable("".join(said)), said)
            if command != "reload":
                check("\\x1b[2J\\xc2\\x9b2J" in said[0], said[0])


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
    equal(run_program([SLUICECTL, "help"]).stdout, result.stdout)


def test_a_mistake_in_a_command_shows_the_usage_of_this_command():
    for words, what in ((["status", "--wait"], r"status \[--rates\] \[--json\]"),
                        (["drain"], r"drain NAME \[--json\]"),
                        (["top", "--json"], "top"),
                        (["kill", "one"], r"kill \[ID...\]")):
        result = run_program([SLUICECTL] + words)
        equal(result.returncode, 2, "exit status of %s" % words)
        lines = result.stderr.splitlines()
        equal(len(lines), 3)
        check(re.match(r"usage: sluicectl \[-s SOCKET\] %s" % what, lines[1]),
              result.stderr)
    result = run_program([SLUICECTL, "conn"])
    check('no command "conn"; did you mean "conns"?' in result.stderr,
          result.stderr)


def test_help_on_a_command():
    for words in (["help", "drain"], ["drain", "--help"],
                  ["drain", "echo", "--help"]):
        result = run_program([SLUICECTL] + words)
        equal(result.returncode, 0)
        check(result.stdout.startswith("usage: sluicectl [-s SOCKET] drain "
                                       "NAME [--json]\n"), result.stdout)
    equal(run_program([SLUICECTL, "help", "nothing"]).returncode, 2)


def test_unreachable():
    with daemon() as d:
        for path, why in ((d.path("nothing"), "No such file"),
                          (d.config, "Connection refused"),
                          ("x" * 200, "too long")):
            result = run_program([SLUICECTL, "-s", path, "status"])
            equal(result.returncode, 3, "exit status for " + path)
            check(why in result.stderr and path in result.stderr,
                  result.stderr)
        # When it cannot print, it does not report success.
        with open("/dev/full", "w") as full:
            equal(subprocess.call([SLUICECTL, "-s", d.path("control.sock"),
                                   "status"], stdout=full,
                                  stderr=subprocess.DEVNULL), 1)
        for arguments in (["-s", d.path("control.sock"), "status"], ["-V"],
                          ["--help"]):
            result = subprocess.run([SLUICECTL] + arguments,
                                    preexec_fn=lambda: os.close(1),
                                    stderr=subprocess.PIPE, text=True)
            equal(result.returncode, 1, arguments)
            equal(result.stderr,
                  "sluicectl: cannot print: standard output is closed\n")


def test_off_by_default():
    with Daemon(listener("echo", plugin("echo"))) as d:
        equal(sorted(os.listdir(d.directory)), ["sluice.conf"])


main()

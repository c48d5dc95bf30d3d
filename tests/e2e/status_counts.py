"""sluicectl status counts exactly what clients did, even if workers die."""

import copy
import json
import os
import signal
import socket
import subprocess
import time

from sluice_test import (SLOW, SLUICECTL, Daemon, check, equal, expect_end,
                         expect_gone, listener, main, receive_line, reset,
                         run_program, test_plugin, wait_until)


def counter(name="c", version="1", **settings):
    return listener(name, test_plugin("counter", VERSION=version), **settings)


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", **settings)


def counts(d, name="c"):
    return next(one["counts"] for one in d.ask("status")["listeners"]
                if one["name"] == name)


def wait_counts(d, name="c", **wanted):
    wait_until(lambda: all(counts(d, name)[what] == value
                           for what, value in wanted.items()),
               lambda: "%s in %s" % (wanted, counts(d, name)))


def settled(d, name="c"):
    """Wait until a listener's echoes are counted, which is after sending."""
    wait_until(lambda: counts(d, name)["bytes_in"] ==
               counts(d, name)["bytes_out"], "the last bytes to be counted")
    return counts(d, name)


def say(s, line):
    """Send a line and receive it back.  Returns bytes each way."""
    s.sendall(line.encode() + b"\n")
    equal(receive_line(s), line)
    return len(line) + 1


def served(d, name="c", **how):
    s = d.connect(name, **how)
    say(s, "hello")
    return s


def test_accepted_bytes_and_callbacks():
    with daemon(counter()) as d:
        fresh = counts(d)
        equal((fresh["accepted"], fresh["refused"], fresh["closed"]),
              (0, {}, {}))
        equal((fresh["bytes_in"], fresh["bytes_out"]), (0, 0))
        equal(fresh["callbacks"], {"count": 0, "us": 0, "buckets": []})
        equal((fresh["slow_callbacks"], fresh["counters"]), (0, {}))

        clients = [d.connect() for _ in range(3)]
        total = sum(say(s, "x" * size)
                    for s in clients for size in (1, 50, 100))
        now = settled(d)
        equal((now["accepted"], now["bytes_in"], now["bytes_out"]),
              (3, total, total))
        equal(now["closed"], {})
        equal(now["callbacks"]["count"], 9)
        equal(sum(now["callbacks"]["buckets"]), 9)
        workers = d.ask("status")["workers"]
        equal(workers[0]["counts"]["bytes_in"], total)
        equal(workers[0]["counts"]["accepted"], 3)


def test_callbacks_by_their_time():
    """Bucket k counts callbacks under 2^k microseconds."""
    with daemon(counter()) as d:
        s = served(d)
        say(s, "sleep 5")
        say(s, "sleep 150")
        say(s, "sleep 150")
        now = counts(d)
        equal(now["slow_callbacks"], 2)
        equal(now["callbacks"]["count"], 4)
        equal(sum(now["callbacks"]["buckets"][13:]), 3)     # over 4 ms
        equal(sum(now["callbacks"]["buckets"][18:]), 2)     # over 131 ms
        check(now["callbacks"]["us"] >= 305000, now["callbacks"])
        said = d.sluicectl("status").stdout
        check("c callbacks: half under " in said, said)


def test_refused_by_each_limit():
    with daemon(counter("total", limits={"connections": 2}),
                counter("each", limits={"per_address": 1})) as d:
        kept = [served(d, "total") for _ in range(2)]
        for _ in range(3):
            expect_gone(d.connect("total"))
        wait_counts(d, "total", accepted=2, refused={"connections": 3})
        kept.append(served(d, "each"))
        for _ in range(4):
            expect_gone(d.connect("each"))
        wait_counts(d, "each", accepted=1, refused={"per_address": 4})
        equal(counts(d, "total")["closed"], {})
        check("each refused: per_address 4" in d.sluicectl("status").stdout)


def test_refused_for_lack_of_descriptors():
    limit = 40
    with daemon(counter(), launcher=[
            "sh", "-c", 'ulimit -n %d; exec "$@"' % limit, "sh"]) as d:
        clients = [d.connect() for _ in range(limit + 20)]
        wait_until(lambda: counts(d)["refused"].get("descriptors", 0) > 0,
                   "a refusal")
        for s in clients:
            s.close()
        wait_until(lambda: counts(d)["accepted"] +
                   counts(d)["refused"]["descriptors"] == len(clients),
                   lambda: counts(d))


def test_closed_by_each_reason():
    with daemon(counter(timeouts={"idle": "60s"}),
                counter("idle", timeouts={"idle": "200ms"}),
                counter("small", limits={"read_buffer": 512})) as d:
        served(d).close()
        wait_counts(d, closed={"peer": 1})
        s = served(d)
        say(s, "close")
        expect_end(s)
        s.close()
        wait_counts(d, closed={"peer": 1, "local": 1})
        s = served(d)
        say(s, "fail")
        expect_gone(s)
        wait_counts(d, closed={"peer": 1, "local": 1, "plugin": 1})
        reset(served(d))
        wait_counts(d, closed={"peer": 1, "local": 1, "plugin": 1,
                               "reset": 1})
        expect_gone(served(d, "idle"))
        wait_counts(d, "idle", closed={"idle": 1})
        s = served(d, "small")
        s.sendall(b"x" * 512)
        expect_gone(s)
        wait_counts(d, "small", closed={"input-limit": 1})
        equal([counts(d, name)["failed"] for name in ("c", "idle", "small")],
              [2, 0, 1])
        said = d.sluicectl("status").stdout
        check("small closed: input-limit 1" in said, said)
        equal(d.ask("status")["workers"][0]["counts"]["closed"],
              {"peer": 1, "local": 1, "plugin": 1, "reset": 1, "idle": 1,
               "input-limit": 1})


def test_what_plugins_count():
    with daemon(counter(), workers=3) as d:
        wait_until(lambda: [say(served(d), "count messages 2")] and
                   all(w["counts"]["accepted"] > 0
                       for w in d.ask("status")["workers"]),
                   "all workers to have served one")
        now = counts(d)
        equal(now["counters"], {"messages": 2 * now["accepted"]})
        # New names are possible at any time.
        say(served(d), "count other.name 5")
        equal(counts(d)["counters"]["other.name"], 5)
        equal(sum(w["counts"]["accepted"]
                  for w in d.ask("status")["workers"]), now["accepted"] + 1)
        check("c counters: messages %d, other.name 5" % (2 * now["accepted"])
              in d.sluicectl("status").stdout)


def test_a_worker_hangs():
    """Its counts are read from shared memory, without a wait."""
    with daemon(counter(), workers=2, watchdog=0, pairs=False) as d:
        clients = [served(d) for _ in range(10)]
        say(clients[0], "count messages 7")
        before = settled(d)
        clients[0].sendall(b"hang\n")
        wait_counts(d, bytes_in=before["bytes_in"] + 5)
        begun = time.monotonic()
        for _ in range(50):
            now = counts(d)
            equal(dict(now, bytes_in=0), dict(before, bytes_in=0))
        check(time.monotonic() - begun < 2 * SLOW)
        # Status names the worker and its callback.
        wait_until(lambda: any("callback data of plugin counter (listener c) "
                               "has been running for" in w.get("doing", "")
                               for w in d.ask("status")["workers"]),
                   "what it does")
        said = d.sluicectl("status").stdout
        check(": callback data of plugin counter (listener c)" in said, said)
        # The other workers go on counting.
        idle = next(w for w in d.ask("status")["workers"]
                    if "doing" not in w)
        wait_until(lambda: d.connect() and next(
            w for w in d.ask("status")["workers"]
            if w["pid"] == idle["pid"])["counts"]["accepted"] >
            idle["counts"]["accepted"], "the other worker to accept")
        for pid in d.workers():
            os.kill(pid, signal.SIGKILL)


def test_rates():
    """--rates divides the difference of two answers by the seconds between."""
    with daemon(counter(), counter("other")) as d:
        first = d.ask("status")
        second = copy.deepcopy(first)
        grown = second["listeners"][0]["counts"]
        grown["bytes_in"] += 1000000
        grown["closed"] = {"peer": 2000, "idle": 3000}
        first["listeners"][1]["counts"]["accepted"] = 5     # it falls to 0
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(d.path("other.sock"))
            other.listen(1)
            asking = subprocess.Popen(
                [SLUICECTL, "-s", d.path("other.sock"), "status", "--rates"],
                stdout=subprocess.PIPE, text=True)
            for answer in (first, second):
                s = other.accept()[0]
                s.recv(4096)
                s.sendall(json.dumps(answer).encode() + b"\n")
                s.close()
            said = asking.communicate()[0].splitlines()
        equal(asking.returncode, 0)
        check(said[-3].startswith("IN A SECOND  ACCEPTED"), said)
        row = said[-2].split()
        # It is one second, or longer on a busy machine.
        check(0 < int(row[4]) <= 1000000, row)
        check(0 < int(row[3]) <= 5000, row)
        equal(said[-1].split(), ["other"] + 7 * ["0"])
        check("IN A SECOND" in d.sluicectl("status", "--rates").stdout)
    for words in (["--json", "status", "--rates"], ["reload", "--rates"]):
        equal(run_program([SLUICECTL] + words).returncode, 2)


def test_sums_never_fall():
    """Sums do not fall when workers die or code and settings change."""
    with daemon(counter(), workers=2, pairs=False) as d:
        clients = [served(d) for _ in range(20)]
        say(clients[0], "count messages 3")
        for number in range(3):
            before = settled(d)
            os.kill(d.workers()[number % 2], signal.SIGKILL)
            wait_until(lambda: len(d.log_lines(r"\(pid \d+\) started"))
                       == 3 + number, "the next worker")
            wait_until(lambda: all(w["state"] == "serving" for w in
                                   d.ask("status")["workers"]), "it serves")
            equal(counts(d), before)
        accepted = counts(d)["accepted"]
        s = served(d)
        equal(counts(d)["accepted"], accepted + 1)
        say(s, "count messages 1")
        equal(counts(d)["counters"], {"messages": 4})

        before = counts(d)
        d.listeners[:] = [counter(version="2", limits={"connections": 100})]
        d.write_config()
        d.reload_ready()
        say(s, "hello again")
        now = counts(d)
        equal(now["counters"], {"messages": 4})
        equal(now["bytes_in"], before["bytes_in"] + 12)
        equal(now["accepted"], before["accepted"])


def test_listeners_that_come_and_go():
    """Each listener has counts of its own, even in a slot used before."""
    with daemon(counter("one"), counter("two")) as d:
        for _ in range(3):
            served(d, "one").close()
        served(d, "two").close()
        wait_counts(d, "one", closed={"peer": 3})
        d.listeners[:] = [d.listener("two")]
        d.write_config()
        d.reload_ready()
        equal([one["name"] for one in d.ask("status")["listeners"]], ["two"])
        equal(counts(d, "two")["accepted"], 1)
        # Generation 1 keeps its slots while a rollback to it is possible.
        d.listeners[:] = [d.listener("two"), counter("three")]
        d.write_config()
        d.reload_ready()
        d.listeners[:] = [d.listener("two"), d.listener("three"),
                          counter("four"), counter("five")]
        d.write_config()
        d.reload_ready()
        for name in ("three", "four", "five"):
            equal((counts(d, name)["accepted"], counts(d, name)["closed"]),
                  (0, {}))
            served(d, name)
            equal(counts(d, name)["accepted"], 1)
        equal(counts(d, "two")["accepted"], 1)


main()

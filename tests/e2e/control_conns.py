"""sluicectl conns shows connections, and sluicectl kill ends them."""

import json
import threading
import time

from sluice_test import (SLOW, Daemon, check, close_all, equal, expect_gone,
                         listener, main, plugin, receive, test_plugin,
                         wait_until)


def daemon(*listeners, **settings):
    settings.setdefault("control", "control.sock")
    return Daemon(*listeners, **settings)


def echo(name="echo", **settings):
    return listener(name, plugin("echo"), **settings)


def say(s, text):
    s.sendall(text)
    equal(receive(s, len(text)), text)
    return s


def ask(d, **what):
    said = d.ask("conns", **what)
    check(said["ok"], said)
    return said


def conns(d, **what):
    """What all workers say: one may not get the processor in time."""
    said = []
    wait_until(lambda: said.append(ask(d, **what)) or not said[-1]["silent"],
               "all workers")
    return said[-1]


def port(s):
    return s.getsockname()[1]


def test_what_is_shown_of_one():
    with daemon(echo(), workers=1) as d:
        s = say(d.connect(), b"hello")
        said = conns(d)
        equal((said["matched"], said["silent"]), (1, []))
        one = said["conns"][0]
        equal({name: one[name] for name in (
            "id", "worker", "listener", "peer", "state", "outgoing", "in",
            "out", "queued", "kept", "plugin", "version", "generation")},
            {"id": 1, "worker": 1, "listener": "echo",
             "peer": "127.0.0.1:%d" % port(s), "state": "open",
             "outgoing": False, "in": 5, "out": 5, "queued": 0, "kept": 0,
             "plugin": "echo", "version": "1.0", "generation": 1})
        check(one["idle_ms"] <= one["age_ms"], one)
        said = d.sluicectl("conns")
        for word in ("1", "echo", "127.0.0.1:%d" % port(s), "open",
                     "echo 1.0"):
            check(word in said.stdout.splitlines()[1], said.stdout)
        equal(json.loads(d.sluicectl("--json", "conns").stdout)["matched"], 1)


def test_filters_sorting_and_a_limit_over_all_workers():
    with daemon(echo(), echo("other"), workers=2) as d:
        made = [say(d.connect(), b"x" * (1 + i)) for i in range(40)]
        other = say(d.connect("other"), b"x")
        equal(conns(d)["matched"], 41)
        said = conns(d, listener="echo", sort="in", limit=5)
        equal(said["matched"], 40)
        equal([one["in"] for one in said["conns"]], [40, 39, 38, 37, 36])
        equal(conns(d, limit=0)["conns"], [])
        equal(conns(d, address="10.0.0.0/8")["matched"], 0)
        equal(conns(d, address="127.0.0.0/8")["matched"], 41)
        equal(conns(d, listener="other")["conns"][0]["peer"],
              "127.0.0.1:%d" % port(other))
        equal(conns(d, state="closing")["matched"], 0)
        equal(conns(d, state="open")["matched"], 41)
        oldest = [one["age_ms"] for one in conns(d)["conns"]]
        equal(sorted(oldest, reverse=True), oldest)
        said = d.sluicectl("conns", "--sort", "out", "--limit", "3")
        check("and 38 more" in said.stdout, said.stdout)
        close_all(made)


def rates(one):
    """Those of its age, which counts as a second at least."""
    age = max(one["age_ms"], 1000)
    return [one[name] * 1000 // age for name in ("in", "out")]


def test_rates_of_their_age():
    with daemon(echo(), workers=1) as d:
        for i in range(5):
            say(d.connect(), b"x" * 1000 * (5 - i))
        said = conns(d, sort="rate")["conns"]
        for one in said:
            equal([one["in_rate"], one["out_rate"]], rates(one))
        equal([one["in"] for one in said], [5000, 4000, 3000, 2000, 1000])


def test_rates_of_a_second():
    """Those that are busy now come first, whatever they did before."""
    with daemon(echo(), workers=2) as d:
        quiet = [say(d.connect(), b"x" * 100000) for _ in range(3)]
        busy = say(d.connect(), b"x")
        ended = threading.Event()

        def talk():
            while not ended.is_set():
                say(busy, b"y")

        thread = threading.Thread(target=talk)
        thread.start()
        said = d.sluicectl("conns", "--rates", "--sort", "rate", "--limit",
                           "2", "--json")
        shown = d.sluicectl("conns", "--rates")
        ended.set()
        thread.join()
        equal(said.returncode, 0)
        answer = json.loads(said.stdout)
        equal(answer["matched"], 4)
        first, second = answer["conns"]
        equal(first["peer"], "127.0.0.1:%d" % port(busy))
        check(first["in_rate"] > 0 and first["out_rate"] > 0, first)
        equal((second["in_rate"], second["out_rate"]), (0, 0))
        check(second["in"] == 100000, second)
        lines = shown.stdout.splitlines()
        equal(len(lines), 5)
        at = lines[0].index("IN/S")
        equal(sorted(line[at:].split()[0] == "0" for line in lines[1:]),
              [False, True, True, True])
        said = d.sluicectl("conns", "--rates", "--listener", "x")
        equal(said.returncode, 1)
        close_all(quiet)


def test_mistakes_are_told():
    with daemon(echo()) as d:
        for words, status, what in (
                (["conns", "--listener", "nope"], 1, '"nope"'),
                (["conns", "--address", "10.0.0.0/99"], 1, "0 to 32"),
                (["conns", "--address", "x"], 1, '"x"'),
                (["conns", "--state", "asleep"], 1, "it is one of"),
                (["conns", "--sort", "size"], 1, "it is one of"),
                (["conns", "--limit", "10001"], 1, "at most 10000"),
                (["conns", "--limit", "many"], 2, '"many"'),
                (["conns", "--limit"], 2, "needs a value"),
                (["conns", "echo"], 2, 'no option "echo"'),
                (["conns", "--ids", "1"], 2, 'no option "--ids"'),
                (["kill"], 1, "say which"),
                (["kill", "-1"], 2, '"-1"'),
                (["kill", "one"], 2, '"one"'),
                (["kill", "--ids", "1"], 2, 'no option "--ids"'),
                (["kill"] + ["9" * 18] * 300, 2, "too many")):
            said = d.sluicectl(*words)
            equal(said.returncode, status, words)
            check(what in said.stderr, words, said.stderr)
        for request in ({"ids": 1}, {"ids": [0]}, {"ids": ["1"]},
                        {"ids": [1] * 201}, {"listener": 1}):
            said = d.ask("kill", **request)
            check(not said["ok"] and "must be" in said["error"], said)
        check("a list of at most 200 numbers above 0"
              in d.ask("kill", ids=[0])["error"])
        check(not d.ask("conns", limit=-1)["ok"])
        equal(conns(d)["matched"], 0)


def test_kill_by_id():
    with daemon(echo(), workers=2) as d:
        made = [say(d.connect(), b"x") for _ in range(4)]
        ids = {one["peer"].rpartition(":")[2]: one["id"]
               for one in conns(d)["conns"]}
        gone = [ids[str(port(s))] for s in made[:2]]
        said = d.sluicectl("kill", *map(str, gone))
        equal((said.returncode, said.stdout), (0, "2 connections ended\n"))
        for s in made[:2]:
            expect_gone(s)
        for s in made[2:]:
            say(s, b"still here")
        equal(len(d.log_lines("closed why=killed")), 2)
        said = d.sluicectl("kill", *map(str, gone))
        check("0 connections ended\n2 of the 2 ids are not open"
              in said.stdout, said.stdout)
        d.wait_log(r"control socket, uid \d+, process \d+: ended 2 ")


def test_kill_by_listener_and_address():
    with daemon(echo(), echo("other"), workers=2) as d:
        made = [say(d.connect(), b"x") for _ in range(6)]
        other = say(d.connect("other"), b"x")
        equal(d.ask("kill", address="10.0.0.0/8")["killed"], 0)
        equal(d.ask("kill", listener="other", address="::/0")["killed"], 0)
        equal(d.ask("kill", listener="echo", address="127.0.0.1")["killed"],
              6)
        for s in made:
            expect_gone(s)
        say(other, b"still here")
        equal(d.ask("kill", listener="other")["killed"], 1)
        d.wait_log(r"control socket, uid \d+, process \d+: ended 1 connection$")
        expect_gone(other)


def test_a_worker_that_hangs_is_named_and_left_out():
    with daemon(listener("room", test_plugin("crasher"),
                         options={"at": "data", "how": "sleep",
                                  "ms": 3000}), echo(),
                workers=2, watchdog="60s") as d:
        stuck = d.connect("room")
        others = [say(d.connect("echo"), b"x") for _ in range(20)]
        stuck.sendall(b"x")
        d.wait_log("callback data .* has been running for")
        begun = time.monotonic()
        said = ask(d)
        check(time.monotonic() - begun < 0.4 * SLOW, "it waited")
        equal(len(said["silent"]), 1, "silent workers")
        check("callback data" in said["silent"][0]["doing"], said["silent"])
        equal(said["matched"] + said["silent"][0]["connections"], 21)
        text = d.sluicectl("conns").stdout
        check("connections of worker %d: callback data"
              % said["silent"][0]["worker"] in text, text)
        equal(receive(stuck, 1), b"x")
        equal(conns(d)["matched"], 21)
        close_all(others)


def test_a_client_that_leaves_before_the_answer():
    with daemon(listener("room", test_plugin("crasher"),
                         options={"at": "data", "how": "sleep", "ms": 500}),
                workers=1, watchdog="60s") as d:
        s = d.connect()
        s.sendall(b"x")
        for _ in range(3):
            client = d.control_client()
            client.sendall(b'{"command": "conns"}\n')
            client.close()
        equal(receive(s, 1), b"x")
        equal(conns(d)["matched"], 1)


def test_many():
    """More than a pass of the event loop looks at, and each of them once."""
    with daemon(echo(), workers=2) as d:
        made = [d.connect() for _ in range(9000)]
        for s in made:
            s.sendall(b"x")
        for s in made:
            equal(receive(s, 1), b"x")
        said = conns(d, limit=10000)
        equal((said["matched"], len(said["conns"])), (9000, 9000))
        equal(len({one["id"] for one in said["conns"]}), 9000)
        d.ask("kill", listener="echo")
        wait_until(lambda: conns(d)["matched"] == 0, "the end of all")
        close_all(made)


if __name__ == "__main__":
    main()

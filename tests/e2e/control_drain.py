"""sluicectl drain: a listener accepts no more, and serves what it has."""

import os
import signal
import threading

from sluice_test import (Daemon, check, connector, equal, expect_gone,
                         free_address, listener, main, plugin, receive,
                         receive_line, test_plugin, wait_until)


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", pairs=False,
                  **settings)


def echoes(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def run(d, *words, status=0):
    result = d.sluicectl(*words)
    equal(result.returncode, status, result.stdout + result.stderr)
    return result.stdout if status == 0 else result.stderr


def row(d, name="echo"):
    return next(one for one in d.ask("status")["listeners"]
                if one["name"] == name)


def test_connections_go_on_and_none_come():
    with daemon(listener("echo", plugin("echo"), free_address()),
                listener("other", plugin("echo")), workers=2) as d:
        address = d.addresses("echo")[0]
        clients = [d.connect("echo") for _ in range(10)]
        for s in clients:
            echoes(s)
        said = run(d, "drain", "echo")
        check("no longer listening on %s for echo\n" % address in said, said)
        check("echo is drained: it accepts no connections, and those that it "
              "has go on: 10\n" in said, said)
        check(said.endswith("generation 2 ready (as generation 1): "
                            "2 listeners (drained: 1), 2 workers\n"), said)
        check(d.refuses(address))
        for s in clients:
            echoes(s)
        echoes(d.connect("other"))
        equal((row(d)["drained"], row(d)["connections"],
               row(d)["addresses"]), (True, 10, []))
        equal(row(d, "other")["drained"], False)
        check("(drained)" in run(d, "status"))
        check('sluice_listener_drained{listener="echo",plugin="echo"} 1\n'
              in run(d, "metrics"))
        equal(run(d, "drain", "echo"), "echo is drained already\n")
        said = run(d, "undrain", "echo")
        check("listening on %s for echo" % address in said, said)
        check("drained" not in said, said)
        for s in clients + [d.connect("echo")]:
            echoes(s)
        equal(run(d, "undrain", "echo"), "echo accepts already\n")


def stamp(version):
    return listener("s", test_plugin("stamp", VERSION=version), at)


at = free_address()


def version(s):
    s.sendall(b"x\n")
    return receive_line(s).split()[0]


def test_it_stays_drained_over_everything():
    """Reload, rollback, and the death of a worker."""
    with daemon(stamp("v1"), listener("other", plugin("echo")),
                workers=2) as d:
        clients = [d.connect("s") for _ in range(6)]
        for s in clients:
            equal(version(s), "v1")
        run(d, "drain", "s")
        d.listeners[0] = stamp("v2")
        d.write_config()
        d.reload_ready()
        d.wait_log(r"s is drained: it accepts no connections, and those "
                   r"that it has go on: 6$")
        for s in clients:           # they have the new code
            equal(version(s), "v2")
        check(d.refuses(at))
        check("drained: 1" in run(d, "rollback"))
        for s in clients:
            equal(version(s), "v1")
        check(d.refuses(at))
        for pid in d.workers():
            since = d.mark()
            os.kill(pid, signal.SIGKILL)
            d.wait_log(r"worker \d \(pid \d+\) started", since)
        wait_until(lambda: all(one["state"] == "serving"
                               for one in d.ask("status")["workers"]),
                   "workers")
        check(d.refuses(at))
        run(d, "undrain", "s")
        equal(version(d.connect("s")), "v1")
        # The generation to go back to is the one of the reload.
        run(d, "rollback")
        equal(version(d.connect("s")), "v2")


def test_a_listener_that_is_gone_comes_back_open():
    with daemon(stamp("v1"), listener("other", plugin("echo"))) as d:
        run(d, "drain", "s")
        gone = d.listeners.pop(0)
        d.write_config()
        d.reload_ready()
        check("there is no listener \"s\"" in run(d, "undrain", "s",
                                                  status=1))
        d.listeners.append(gone)
        d.write_config()
        d.reload_ready()
        equal(version(d.connect("s")), "v1")


def test_clients_that_wait_are_served():
    with daemon(listener("echo", plugin("echo"), free_address())) as d:
        worker, = d.workers()
        os.kill(worker, signal.SIGSTOP)
        clients = [d.connect("echo") for _ in range(20)]
        drained = threading.Thread(target=run, args=(d, "drain", "echo"))
        drained.start()
        d.wait_log("drain echo")
        os.kill(worker, signal.SIGCONT)
        drained.join()
        for s in clients:
            echoes(s)
        equal(row(d)["connections"], 20)


def test_one_worker():
    """A plugin that is served by one worker, on one socket."""
    with daemon(listener("chat", plugin("chat"), free_address()),
                listener("echo", plugin("echo")), workers=3) as d:
        address = d.addresses("chat")[0]
        s = d.connect("chat")
        receive_line(s), receive_line(s)
        run(d, "drain", "chat")
        check(d.refuses(address))
        run(d, "undrain", "chat")
        other = d.connect("chat")
        receive_line(other)         # it is told who else is there
        check("joined" in receive_line(s))


def test_unix_path():
    with Daemon(listener("u", plugin("echo")), start=False, workers=2,
                control="control.sock", pairs=False) as d:
        path = d.path("socket")
        d.listener("u")["listen"] = "unix:" + path
        d.write_config()
        d.start()
        s = d.connect()
        echoes(s)
        run(d, "drain", "u")
        wait_until(lambda: not os.path.exists(path), "the path to go")
        echoes(s)
        run(d, "undrain", "u")
        echoes(d.connect())


def test_an_address_that_was_taken():
    with daemon(listener("echo", plugin("echo"), free_address()),
                listener("other", plugin("echo"))) as d:
        address = d.addresses("echo")[0]
        s = d.connect("echo")
        echoes(s)
        run(d, "drain", "echo")
        with Daemon(listener("thief", plugin("echo"), address)):
            said = run(d, "undrain", "echo", status=1)
            check(address in said and "in use" in said, said)
            check(said.endswith("cannot undrain echo: 1 problem; generation "
                                "2 stays\n"), said)
            echoes(s)
            check(row(d)["drained"])
        run(d, "undrain", "echo")
        echoes(d.connect("echo"))


def test_names():
    with daemon(listener("echo", plugin("echo")),
                connectors=[connector("up", test_plugin("connector"),
                                      free_address())]) as d:
        equal(run(d, "drain", "ecko", status=1),
              'there is no listener "ecko"; did you mean "echo"?\n')
        equal(run(d, "drain", "up", status=1),
              "up is a connector; only listeners can be drained\n")
        check("name" in run(d, "drain", status=2).lower())
        check(not d.ask("drain")["ok"])
        check(not d.ask("drain", listener=7)["ok"])
        check(not d.ask("drain", listener="\x1b[2J" + "x" * 3000)["ok"])


def test_others_that_plugins_stopped_stay_stopped():
    with daemon(listener("c", test_plugin("command"), free_address()),
                listener("echo", plugin("echo"), free_address())) as d:
        address = d.addresses("c")[0]
        s = d.connect("c")
        s.sendall(b"stop 0\n")
        wait_until(lambda: d.refuses(address), "the listener to close")
        run(d, "drain", "echo")
        check(d.refuses(address))
        s.sendall(b"say still\n")
        equal(receive_line(s), "still")
        run(d, "undrain", "c")      # the operator wants it
        d.connect("c").sendall(b"say x\n")


def test_a_drained_listener_can_be_stopped():
    with daemon(listener("c", test_plugin("command"), free_address()),
                listener("echo", plugin("echo"))) as d:
        s, address = d.connect("c"), d.addresses("c")[0]
        s.sendall(b"say x\n")
        receive_line(s)
        run(d, "drain", "c")
        s.sendall(b"stop 1\n")
        expect_gone(s)
        d.reload_ready()            # an operator has drained it
        check(d.refuses(address))


def test_probation_goes_on():
    with daemon(listener("room", test_plugin("crasher"), free_address(),
                         options={"at": "never", "how": "segv"}),
                listener("other", plugin("echo"), free_address())) as d:
        d.listeners[0]["options"]["at"] = "data"
        d.write_config()
        d.reload_ready()
        since = d.mark()
        for i in range(3):
            s = d.connect("room")
            s.sendall(b"x")
            expect_gone(s)
            d.wait_log(r"worker \d+ \(pid \d+\) was killed", since,
                       count=i + 1)
            if i == 0:
                run(d, "drain", "other")
        d.wait_log(r"going back to generation 1$", since)
        d.wait_log(r"ready \(as generation 1\): 2 listeners \(drained: 1\)",
                   since)
        echoes(d.connect("room"))


main()

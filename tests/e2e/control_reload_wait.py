"""sluicectl reload --wait reports the verdict of its reload, with reasons."""

import os
import subprocess
import threading

from sluice_test import (SLUICECTL, Daemon, check, children, equal,
                         expect_gone, listener, main, plugin, receive,
                         test_plugin, title, wait_until)


def daemon(*listeners, **settings):
    return Daemon(*(listeners or [listener("echo", plugin("echo"))]),
                  control="control.sock", **settings)


def start(d, *words):
    return subprocess.Popen([SLUICECTL, "-s", d.path("control.sock")]
                            + list(words), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_good():
    with daemon() as d:
        result = d.sluicectl("reload", "--wait")
        equal(result.returncode, 0)
        equal(result.stdout, "generation 2 ready: 1 listener, 1 worker\n")
        equal(result.stderr, "")
        # When it returns, the new generation is served.
        equal(d.ask("status")["generation"], 2)
        check(d.log_lines(r"reloading \(control socket, uid %d, process \d+\)"
                          % os.geteuid()))


def test_what_it_has_changed():
    with daemon(drain_timeout="5s") as d:
        one = d.listener("echo")
        one.update(limits={"connections": 7}, on_reload="drain",
                   timeouts={"idle": "90s"}, backlog=17)
        d.listeners.append(listener("new", plugin("echo")))
        d.settings["drain_timeout"] = "6s"
        d.write_config()
        said = d.sluicectl("reload", "--wait")
        equal(said.returncode, 0)
        equal(said.stderr, "")
        expected = ["drain_timeout is 6s, was 5s",
                    "echo: limits.connections is 7, was ",
                    "echo: on_reload is drain, was not set",
                    "echo: timeouts.idle is 90s, was ",
                    "echo: backlog is 17, was 4096"]
        lines = said.stdout.splitlines()
        for line in expected:
            check(any(one.startswith(line) for one in lines), line, lines)
            check(d.log_lines("info  master: " + line), line)
        check("listening on " in said.stdout
              and " for new (plugin echo" in said.stdout, said)
        equal(len(lines), len(expected) + 2)
        check(lines[-1].startswith("generation 2 ready"), lines)

        left = [d.connect("echo"), d.connect("echo"), d.connect("new")]
        for s in left:
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        one["plugin"] = plugin("discard")
        del d.listeners[1]
        d.write_config()
        said = d.ask("reload", wait=True)
        check(any(line.startswith("echo: plugin discard ")
                  and "in place of echo" in line
                  for line in said["changes"]), said)
        check(any(line.startswith("no longer listening on ")
                  for line in said["changes"]), said)
        equal(said["problems"], [])
        for name, count in ("echo", 2), ("new", 1):
            check("%s: connections that stay on older code until they end: %d"
                  % (name, count) in said["changes"], said)
        for s in left:
            s.close()

        # What the last one has changed is not told with a refusal.
        one["backlog"] = -1
        d.write_config()
        equal(d.ask("reload", wait=True)["changes"], [])


def test_refused_with_all_reasons():
    with daemon() as d:
        d.listeners.append(listener("x", "no-such-plugin", nodelay=3))
        d.listeners.append(listener("y", plugin("echo"), frobnicate=3))
        d.write_config()
        result = d.sluicectl("reload", "--wait")
        equal(result.returncode, 1)
        equal(result.stdout, "")
        lines = result.stderr.splitlines()
        check("reload refused: " in lines[-1] and "keeping generation 1"
              in lines[-1], lines)
        for what in ("nodelay", "frobnicate"):
            check(any(line.startswith(d.config + ":") and what in line
                      for line in lines[:-1]), what, lines)

        said = d.ask("reload", wait=True)
        equal(said["ok"], False)
        equal(said["problems"] + [said["verdict"]], lines)
        equal(said["generation"], 1)
        result = d.sluicectl("reload", "--wait", "--json")
        equal(result.returncode, 1)
        check(result.stdout.startswith("{") and result.stderr == "", result)


def test_warnings_of_a_good_one():
    with daemon() as d:
        d.settings["control_group"] = "root"
        d.settings["control_mode"] = "0600"
        d.write_config()
        # The change of control_group is refused; the warning comes, too.
        result = d.sluicectl("reload", "--wait")
        equal(result.returncode, 1)
        check("control_group has no effect" in result.stderr, result.stderr)


def test_keys_that_need_a_restart():
    with daemon() as d:
        for key, value in (("control", "other.sock"),
                           ("control_mode", "0660"),
                           ("control", None)):
            before = dict(d.settings)
            d.settings.update({key: value})
            if value is None:
                del d.settings[key]
            d.write_config()
            result = d.sluicectl("reload", "--wait")
            equal(result.returncode, 1)
            check("%s cannot change without a restart" % key in result.stderr,
                  result.stderr)
            d.settings = before
            d.write_config()
        # The same value, written differently, is not a change.
        d.settings["control"] = d.path("control.sock")
        d.settings["control_mode"] = "600"
        d.write_config()
        equal(d.sluicectl("reload", "--wait").returncode, 0)


def test_without_wait():
    with daemon() as d:
        d.write("nonsense")
        since = d.mark()
        result = d.sluicectl("reload")
        equal(result.returncode, 0)
        d.wait_log("reload refused", since)
        equal(d.ask("reload"), {"accepted": True, "ok": True})


def test_what_runs_does_not_count():
    """The verdict is that of a reload that began after the command."""
    with daemon() as d:
        hangs = listener("hangs", test_plugin("hang"))
        d.listeners.append(hangs)
        d.write_config()
        since = d.mark()
        first = start(d, "reload", "--wait")
        d.wait_log("reloading", since)      # it hangs in the probe for 5 s
        wait_until(lambda: "sluiced: probe" in map(title, children(d.pid)),
                   "the probe")
        equal(d.ask("status")["reload"], "build")
        d.listeners.remove(hangs)
        d.write_config()
        rest = [start(d, "reload", "--wait") for _ in range(10)]
        first.communicate()
        equal(first.returncode, 1)
        for one in rest:
            said = one.communicate()
            equal((one.returncode, said[0]),
                  (0, "generation 2 ready: 1 listener, 1 worker\n"))
        # One reload answered all ten commands.
        equal(d.ask("status")["generation"], 2)
        equal(len(d.log_lines("reloading", since)), 2)


def test_many_at_once():
    with daemon(workers=2) as d:
        status = []

        def reload():
            result = d.sluicectl("reload", "--wait", timeout=60)
            status.append((result.returncode, result.stderr))

        threads = [threading.Thread(target=reload) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(status, [(0, "")] * 200)
        check(d.ask("status")["generation"] < 200)


def test_a_client_that_closes_while_waiting():
    with daemon() as d:
        d.listeners.append(listener("hangs", test_plugin("hang")))
        d.write_config()
        since = d.mark()
        first = start(d, "reload", "--wait")
        d.wait_log("reloading", since)
        second = d.control_client()
        second.sendall(b'{"command": "reload", "wait": true}')
        second.close()
        first.kill()
        first.communicate()
        d.wait_log("reload refused", since, count=2)
        equal(d.ask("status")["generation"], 1)


def test_stop_while_waiting():
    d = daemon(listener("echo", plugin("echo")), drain_timeout="2s")
    with d:
        d.listeners.append(listener("hangs", test_plugin("hang")))
        d.write_config()
        since = d.mark()
        s = d.connect("echo")           # so that the stop takes a while
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        one = start(d, "reload", "--wait")
        d.wait_log("reloading", since)
        d.signal(15)
        said = one.communicate()
        equal(one.returncode, 1)
        check("stop" in said[1], said)
        result = d.sluicectl("reload")
        check(result.returncode in (1, 3), result)
        s.close()
        d.wait_exit()


def test_force():
    """A generation that was rolled back is committed again only by --force."""
    with daemon(listener("room", test_plugin("crasher"),
                         options={"at": "never"}), pairs=False) as d:
        d.listener("room")["options"] = {"at": "data", "how": "segv"}
        d.write_config()
        equal(d.sluicectl("reload", "--wait").returncode, 0)
        for _ in range(3):
            since = d.mark()
            s = d.connect()
            s.sendall(b"x")
            expect_gone(s)
            d.wait_log("was killed", since)
        d.wait_log("generation 3 ready")
        result = d.sluicectl("reload", "--wait")
        equal(result.returncode, 1)
        check("--force" in result.stderr, result.stderr)
        result = d.sluicectl("reload", "--wait", "--force")
        equal((result.returncode, result.stderr), (0, ""))


main()

"""sluicectl diff says what a reload would change, and changes nothing."""

import json
import os
import shutil
import signal
import subprocess

from sluice_test import (SLUICECTL, Daemon, check, children, connector, equal,
                         expect_gone, free_address, listener, main, plugin,
                         receive_line, test_plugin, title, wait_until)
from harness.tls import leaf, tls_listener

PROBE = "sluiced: probe"


def daemon(*listeners, **settings):
    return Daemon(*(listeners or [listener("echo", plugin("echo"))]),
                  control="control.sock", **settings)


def start(d, *words):
    return subprocess.Popen([SLUICECTL, "-s", d.path("control.sock"), "diff"]
                            + list(words), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def differs(d, *expected):
    """These lines are said, no others; a reload then says that all is well."""
    said = d.sluicectl("diff")
    equal((said.returncode, said.stderr), (1, ""))
    lines = said.stdout.splitlines()
    equal(lines[-1], "a reload would make these changes to generation %d"
          % d.ask("status")["generation"])
    equal(sorted(set(lines[:-1]) ^ set(expected)), [])
    equal(len(lines), len(expected) + 1)


def same(d):
    said = d.sluicectl("diff")
    equal((said.returncode, said.stdout, said.stderr),
          (0, "a reload would change nothing of generation %d\n"
           % d.ask("status")["generation"], ""))


def image(d, name):
    return next(one["image"] for one in d.ask("status")["listeners"]
                if one["name"] == name)


def test_what_a_reload_would_change():
    old, more = free_address(), free_address()
    with daemon(listener("echo", plugin("echo")),
                listener("two", plugin("lines"), listen=old)) as d:
        same(d)
        before = d.ask("status")
        echo, two = d.listener("echo"), d.listener("two")
        echo.update(limits={"connections": 7}, plugin=plugin("discard"))
        two.update(options={"max_length": "2KiB"}, listen=[old, more])
        d.listeners.append(listener("new", plugin("chargen")))
        d.settings["connectors"] = [connector("feed", plugin("discard"),
                                              "127.0.0.1:1")]
        d.settings["drain_timeout"] = "6s"
        d.settings["worker_groups"] = [{"name": "slow"}]
        d.write_config()
        said = d.ask("diff")
        (other,) = said["images"]
        equal((other["name"], other["before"]), ("echo", image(d, "echo")))
        lines = image(d, "two")[:8]
        chargen = next(one for one in said["changes"]
                       if one.startswith("new: new listener"))[-9:-1]
        differs(d,
                "drain_timeout is 6s, was 5s", "worker_groups.slow is new",
                "echo: plugin discard 1.0 (image %s) in place of echo 1.0 "
                "(image %s)" % (other["now"][:8], other["before"][:8]),
                'echo: plugin is "%s", was "%s"'
                % (plugin("discard"), plugin("echo")),
                "echo: limits.connections is 7, was 0",
                "two: new options for plugin lines 1.0 (image %s)" % lines,
                "two: options.max_length is new",
                'two: listen now has "%s"' % more,
                "new: new listener, plugin chargen 1.0 (image %s)" % chargen,
                "new: listens on 127.0.0.1:0",
                "feed: new connector, plugin discard 1.0 (image %s)"
                % other["now"][:8],
                "feed: connects to 127.0.0.1:1")

        # It has changed nothing.
        after = d.ask("status")
        for member in ("generation", "previous", "last", "crashes"):
            equal(after[member], before[member], member)
        equal(d.log_lines("reloading|refused"), [])
        equal(image(d, "echo"), other["before"])
        d.reload_ready()
        same(d)
        equal(image(d, "echo"), other["now"])
        d.listeners.remove(d.listener("two"))
        del d.settings["connectors"]
        d.write_config()
        differs(d, "two: this listener is gone", "feed: this connector is gone")


def test_included_files_and_certificates():
    with daemon(start=False) as d:
        for name, of in ("cert", leaf("first").cert), ("key",
                                                       leaf("first").key):
            shutil.copy(of, d.path(name + ".pem"))
            os.chmod(d.path(name + ".pem"), 0o600)
        d.listeners.append(tls_listener("tls", plugin("echo"), {
            "cert": "cert.pem", "key": "key.pem"}))
        d.settings["include"] = "more.d/*.conf"
        os.mkdir(d.path("more.d"))
        d.write_config()
        d.start()
        d.write('listeners = ( { name = "more"; plugin = "%s"; '
                'listen = "127.0.0.1:0"; } );' % plugin("echo"),
                "more.d/a.conf")
        differs(d, "more: new listener, plugin echo 1.0 (image %s)"
                % image(d, "echo")[:8], "more: listens on 127.0.0.1:0")
        os.unlink(d.path("more.d/a.conf"))
        same(d)
        shutil.copy(leaf("second").cert, d.path("cert.pem"))
        shutil.copy(leaf("second").key, d.path("key.pem"))
        differs(d, "tls: tls has other certificates or CAs")


def test_what_would_be_refused():
    with daemon() as d:
        d.listeners.append(listener("x", "no-such-plugin", nodelay=3))
        d.write_config()
        said = d.sluicectl("diff")
        equal((said.returncode, said.stdout), (2, ""))
        lines = said.stderr.splitlines()
        equal(lines[-1], "a reload would be refused: 2 problems; generation 1 "
              "would stay")
        # They are what -t says.
        checked = subprocess.run(
            [os.path.join(os.path.dirname(SLUICECTL), "sluiced"), "-t", "-c",
             d.config], stderr=subprocess.PIPE, text=True)
        equal(lines[:-1], checked.stderr.splitlines()[:-1])
        check(any(line.startswith(d.config + ":") and ": error: " in line
                  for line in lines), lines)
        said = d.ask("diff")
        equal((said["ok"], said["same"], said["changes"]), (False, False, []))
        said = d.sluicectl("diff", "--json")
        equal((said.returncode, said.stderr), (2, ""))
        equal(json.loads(said.stdout)["ok"], False)
        equal(d.ask("status")["last"]["ok"], True)
        equal(d.log_lines("refused"), [])

        # What needs a restart is a difference as well.
        del d.listeners[1]
        d.settings["workers"] = 2
        d.write_config()
        said = d.sluicectl("diff")
        equal(said.returncode, 2)
        check("%s:1: error: workers cannot change without a restart"
              % d.config in said.stderr, said.stderr)
        equal(said.stdout, "workers is 2, was 1\n")
        os.unlink(d.config)
        equal(d.sluicectl("diff").returncode, 2)
        d.settings["workers"] = 1
        d.write_config()
        same(d)


def test_what_was_rolled_back():
    with daemon(listener("room", test_plugin("crasher"),
                         options={"at": "never"}), pairs=False) as d:
        d.listener("room")["options"] = {"at": "data", "how": "segv"}
        d.write_config()
        d.reload_ready()
        for _ in range(3):
            since = d.mark()
            s = d.connect()
            s.sendall(b"x")
            expect_gone(s)
            d.wait_log("was killed", since)
        d.wait_log("generation 3 ready")
        for _ in range(2):
            said = d.sluicectl("diff")
            equal(said.returncode, 2)
            check("reload --force" in said.stderr, said.stderr)
            check("room: options.at has changed" in said.stdout, said.stdout)
        # Asking has not made it forgotten, nor known for worse.
        check("was rolled back because it crashed" in d.reload_refused(), "")


def probes(d):
    return [pid for pid in children(d.pid) if title(pid) == PROBE]


def test_many_share_a_build_and_a_reload_does_not_wait():
    """A plugin that hangs keeps the probe for 5 s."""
    with daemon() as d:
        d.listeners.append(listener("hangs", test_plugin("hang")))
        d.write_config()
        first = start(d)
        wait_until(lambda: len(probes(d)) == 1, "the probe")
        rest = [start(d) for _ in range(5)]
        gone = [start(d) for _ in range(3)]
        wait_until(lambda: d.ask("status")["ok"], "an answer meanwhile")
        del d.listeners[1]
        d.settings["drain_timeout"] = "7s"
        d.write_config()
        for one in gone:
            one.kill()
            one.wait()
        equal(len(probes(d)), 1)
        equal(d.reload_ready(), 2)
        # The first one is still at the files it has found.
        equal(first.poll(), None)
        said = first.communicate()
        equal(first.returncode, 2)
        check("while loading" in said[1] and "generation 2 would stay"
              in said[1], said)
        for one in rest:
            equal(one.communicate(),
                  ("a reload would change nothing of generation 2\n", ""))
            equal(one.returncode, 0)


def test_a_client_that_leaves_ends_the_build():
    with daemon() as d:
        d.listeners.append(listener("hangs", test_plugin("hang")))
        d.write_config()
        first = start(d)
        wait_until(lambda: len(probes(d)) == 1, "the probe")
        (probe,) = probes(d)
        second = start(d)
        first.kill()
        first.wait()
        wait_until(lambda: probe not in probes(d), "the end of the probe")
        wait_until(lambda: len(probes(d)) == 1, "that of the second")
        second.kill()
        for one in first, second:
            one.communicate()
        wait_until(lambda: not probes(d), "the end of all")
        # One that shuts down its side only waits for its answer.
        del d.listeners[1]
        d.write_config()
        s = d.control_client()
        s.sendall(b'{"command": "diff"}\n')
        s.shutdown(1)
        check('"same":true' in receive_line(s), "an answer")


def test_a_stop_meanwhile():
    with daemon() as d:
        d.listeners.append(listener("hangs", test_plugin("hang")))
        d.write_config()
        one = start(d)
        wait_until(lambda: len(probes(d)) == 1, "the probe")
        (probe,) = probes(d)
        d.signal(signal.SIGTERM)
        d.wait_exit()
        check(one.wait() in (2, 3), one.returncode)
        one.communicate()
        check(not os.path.exists("/proc/%d" % probe), "the probe is left")


main()

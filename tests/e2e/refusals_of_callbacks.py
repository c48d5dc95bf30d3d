"""Reloads are refused when `check` or `start` fails, crashes or does not
return, and for options that the plugin does not know."""

import re
import time

from sluice_test import (Daemon, check, equal, listener, main, receive,
                         test_plugin, wait_until)

from refusals import Refusals


def test_check_refuses():
    with Refusals() as r:
        r.with_listener("bad", test_plugin("refuse"),
                        options={"motd": "evil"})
        r.refused_once('listener "bad": .*motd: evil is not good')
        r.with_listener("bad", test_plugin("refuse"), options={"other": 3})
        r.refused_once('listener "bad": .*three of them')
        r.with_listener("bad", test_plugin("refuse"), options={"other": 4})
        r.refused_once('listener "bad": .*refuses the options')
        r.ready_again()


def refused_at(option, what):
    """An option of the plugin refuse; the mistake is told at its line."""
    with Refusals() as r:
        r.d.write(r.good.replace(");\n", """,
{ name = "bad"; listen = "127.0.0.1:0"; plugin = "%s";
  options = {
    other = 1;
    %s
  };
} );
""" % (test_plugin("refuse"), option)))
        said = r.refused("1 problem;")
        with open(r.d.config) as file:
            line = 1 + file.read().split("\n").index("    " + option)
        check(re.search(r"sluice\.conf:%d: .*%s" % (line, what), said), said)


def test_check_is_at_the_line_of_its_option():
    refused_at('motd = "evil";', "evil")


def checks(*cases):
    with Refusals() as r:
        for what, text in cases:
            r.without(test_plugin("misbehave", CHECK=what), text)
        r.ready_again()


WHERE = ' while plugin "\\S+" checked the options of listener "bad"$'


def test_check_crashes():
    checks(("crash", "probe was killed by SIGSEGV.*" + WHERE),
           ("abort", "probe was killed by SIGABRT.*" + WHERE),
           ("exit", "probe exited with status 0" + WHERE),
           ("exit at once", "probe exited with status 7" + WHERE))


def test_check_hangs():
    checks(("loop", "probe took longer than 5 s and was killed" + WHERE))


def test_options():
    with Refusals() as r:
        path = test_plugin("options")
        for options, text in (
                ({"strange": 1}, "strange"),
                ({"int": "seven"}, "int"),
                ({"int": 1.5}, "int"),
                ({"bool": 1}, "bool"),
                ({"string": 5}, "string"),
                ({"duration": "5 parsecs"}, "duration"),
                ({"duration": -1}, "duration"),
                ({"size": "64KB"}, "size"),
                ({"address": "nowhere"}, "address"),
                ({"strings": [1, 2]}, "strings"),
                ({"group": 5}, "group"),
                ({"group": {"outer": 1}}, "outer")):
            r.with_listener("bad", path, options=options)
            r.refused_once(text)
        r.ready_again()


def test_start_fails():
    with Refusals() as r:
        r.with_listener("bad", test_plugin("service", FLAGS=3),
                        options={"fail": True})
        r.refused_once('listener "bad".*start')
        r.ready_again()


def test_start_and_reload_say_why():
    with Refusals() as r:
        r.with_listener("bad", test_plugin("refuse"),
                        options={"start": "no room"})
        r.refused_once('listener "bad": .*its start callback refused: '
                       'no room')
        r.with_listener("bad", test_plugin("refuse"),
                        options={"start": "silently"})
        r.refused_once('listener "bad": .*its start callback refused and '
                       'gave no reason')
        r.ready_again()


def test_reload_says_why():
    """A reason for which it did not refuse is not kept for later."""
    refuse = listener("bad", test_plugin("refuse"),
                      options={"start": "nothing"})
    with Daemon(refuse, control="control.sock") as d:
        refuse["options"] = {"reload": "silently"}
        d.write_config()
        check("its reload callback refused and gave no reason"
              in d.reload_refused())
        refuse["options"] = {"reload": "no room"}
        d.write_config()
        said = d.sluicectl("reload", "--wait")
        equal(said.returncode, 1)
        check('listener "bad": ' in said.stderr
              and "its reload callback refused: no room" in said.stderr, said)


def test_start_is_at_the_line_of_its_option():
    refused_at('start = "no room";', "start: .*no room")


def test_start_fails_in_one_worker():
    """Workers where `start` worked abort, and call `stop`."""
    with Refusals(workers=3) as r:
        directory = r.d.open_directory("locks")
        for i in range(3):
            since = r.d.mark()
            r.with_listener("bad", test_plugin("service", FLAGS=3),
                            options={"lock": "%s/%d" % (directory, i)})
            r.refused("bad")
            equal(len(r.d.log_lines("service start", since)), 1, "starts")
            r.d.wait_log("service stop", since)
            equal(len(r.d.log_lines("service stop", since)), 1, "stops")
            r.d.wait_log("lock is taken", since)


def test_images_that_may_not_be_unloaded():
    """Such an image stays mapped after a refusal, but only once."""
    with Refusals() as r:
        r.held = None
        counts = []
        for _ in range(4):
            r.with_listener("bad", test_plugin("service"),
                            options={"fail": True})
            r.refused("start")
            wait_until(lambda: len(r.d.workers()) == 1, "the worker")
            counts.append(r.descriptors())
        equal(counts[1:], counts[:1] * 3, "descriptors")


def serves_again(r, old):
    """Wait until every worker serves generation 1, restarted ones as well."""
    def all_serve():
        now = r.d.workers()
        return len(now) == len(old) and not set(now) & set(old)

    wait_until(all_serve, "the workers to be back")
    for _ in range(10):
        s = r.d.connect("stamp")
        s.sendall(b"y\n")
        equal(s.recv(100).split()[0], b"v1")
        s.close()


def lost_in_start(what, text, seconds, **settings):
    """`start` breaks a worker that serves.  Its connections are lost, but the
    generation is refused, and the worker is restarted on the old one."""
    with Refusals(workers=2, **settings) as r:
        old = r.d.workers()
        r.with_listener("bad", test_plugin("misbehave", START=what))
        begun = time.monotonic()
        said = r.d.reload_refused()
        check(time.monotonic() - begun < seconds, "too late")
        check("keeping generation 1" in said, said)
        line = 1 + next(i for i, one in enumerate(r.d.text().split("\n"))
                        if 'name = "bad"' in one)
        check(re.search(r'sluice\.conf:%d: listener "bad": start of plugin '
                        r'"\S+": worker [12],? (?:%s)$' % (line, text), said,
                        re.MULTILINE), "no", repr(text), "in:\n" + said)
        serves_again(r, old)
        r.d.listeners[1:] = []
        r.d.write_config()
        equal(r.d.reload_ready(), 2, "generation")
        s = r.d.connect("stamp")
        s.sendall(b"y\n")
        equal(receive(s, 6), b"v1 1 y")


def test_start_crashes():
    lost_in_start("crash", "was killed by SIGSEGV.*", 5)


def test_start_hangs():
    lost_in_start("loop", "was stuck in callback start and was aborted", 12)


def test_start_hangs_and_nobody_watches():
    """Without a watchdog, reload and worker have limits of their own."""
    lost_in_start("loop", "worker 2 did not answer within 5 s", 12,
                  watchdog=0)


main()

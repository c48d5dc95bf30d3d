"""A plugin that does harm while it is loaded harms only the probe."""

import os
import subprocess
import sys

from sluice_test import equal, listener, main, receive, test_plugin

from refusals import Refusals


def constructor(what):
    return test_plugin("misbehave", CONSTRUCTOR=what)


def refused(*cases):
    with Refusals() as r:
        for what, text in cases:
            r.without(constructor(what), text)
        r.ready_again()


def harmless(*cases):
    """Constructors that a worker can tolerate."""
    for what in cases:
        with Refusals() as r:
            r.with_listener("strange", constructor(what))
            equal(r.d.reload_ready(), 2, what)
            s = r.d.connect("strange")
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
            r.ask(r.s)


def test_crash_and_abort():
    refused(("crash", r"probe was killed by SIGSEGV.* while loading \S+\.so$"),
            ("abort", r"probe was killed by SIGABRT.* while loading \S+\.so$"))


def test_exit():
    refused(("exit", r"probe exited with status 0 while loading \S+\.so$"),
            ("exit at once", r"probe exited with status 7 while loading "))


def test_loop():
    with Refusals() as r:
        r.without(constructor("loop"), "probe took longer than 5 s and was "
                  r"killed while loading \S+\.so$")
        r.ready_again()


def test_loop_on_a_busy_processor():
    """It gets more time, but no more than it can use."""
    with Refusals() as r:
        one = {min(os.sched_getaffinity(0))}
        os.sched_setaffinity(r.d.pid, one)  # its children have this as well
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                 # the kernel shares it among sessions
                                 start_new_session=True,
                                 preexec_fn=lambda:
                                 os.sched_setaffinity(0, one))
                for _ in range(3)]
        try:
            since = r.d.mark()
            r.d.listeners.append(listener("bad", constructor("loop")))
            r.d.write_config()
            r.d.reload(wait=False)
            r.d.wait_log("probe took longer than 5 s and was "
                         "killed while loading", since, 40)
        finally:
            for process in busy:
                process.kill()
                process.wait()


def test_sleep():
    refused(("sleep", "probe took longer than 5 s and was killed while "))


def test_fork():
    refused(*((what, r"\S+\.so: its constructor started another process$")
              for what in ("fork", "fork twice", "daemon", "fork and leave",
                           "fork on")))


def test_fork_and_crash():
    """The child of the probe is killed with it."""
    refused(("fork and crash", "probe was killed by SIGSEGV.* while loading"))


def test_a_child_that_is_waited_for():
    harmless("fork and wait")


def test_closed_descriptors():
    refused(("close all", r"\S+\.so: its constructor closed or replaced "
             r"descriptors that are not its own \(0, 1, 2, 3, \.\.\.\)$"),
            ("close channel", "its constructor closed or replaced a "
             r"descriptor that is not its own \(3\)$"),
            ("close output", r"that is not its own \(2\)$"),
            ("replace channel", r"that is not its own \(3\)$"))


def test_signals():
    refused(("handle SIGTERM", "its constructor changed the handler of "
             "SIGTERM$"),
            ("ignore SIGCHLD", "changed the handler of SIGCHLD$"),
            ("default SIGPIPE", "changed the handler of SIGPIPE$"),
            ("block", "its constructor changed which signals are blocked$"))


def test_what_it_may_do():
    harmless("open", "thread")


def test_it_speaks_in_our_name():
    refused(("garbage", r"probe sent what is not a message \(7 bytes\) and was "
             "killed while loading "))


def test_several_bad_ones_are_all_named():
    """A plugin that spoils the probe is the last to be checked."""
    with Refusals() as r:
        r.with_listener("one", test_plugin("badabi"))
        r.d.listeners.append(dict(r.d.listeners[1], name="two",
                                  plugin=test_plugin("nodescriptor")))
        r.d.write_config()
        r.refused("2 problems", "badabi", "nodescriptor")
        r.d.listeners[2]["plugin"] = constructor("block")
        r.d.write_config()
        r.refused("2 problems", "badabi", "which signals are blocked")
        r.ready_again()


main()

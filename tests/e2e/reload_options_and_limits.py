"""A reload changes options, limits, timeouts and log settings at once."""

import os

from sluice_test import (Daemon, SLOW, Skip, check, equal, expect_gone,
                         listener, main, receive_line, test_plugin)

DEFAULTS = ("string=default none=NULL int=-7 float=0.5 bool=1 duration=1500 "
            "size=65536 address=127.0.0.1:80 inner=1 strings=0")


def test_every_type_and_its_default():
    with Daemon(listener("o", test_plugin("options"))) as d:
        equal(receive_line(d.connect()), DEFAULTS)
        d.listener("o")["options"] = {
            "string": "two words", "none": "some", "int": -(1 << 40),
            "float": 2.5, "bool": False, "duration": "2m", "size": "3MiB",
            "address": "[::1]:443", "strings": ["a", "b c"],
            "group": {"inner": 9}}
        d.write_config()
        d.reload_ready()
        equal(receive_line(d.connect()),
              "string=two words none=some int=-1099511627776 float=2.5 "
              "bool=0 duration=120000 size=3145728 address=[::1]:443 "
              "inner=9 strings=2,a,b c")
        # Plain numbers: seconds and bytes; an integer for a float.
        d.listener("o")["options"] = {
            "duration": 3, "size": 100, "float": 4, "strings": "alone"}
        d.write_config()
        d.reload_ready()
        line = receive_line(d.connect())
        check(" duration=3000 size=100 " in line, line)
        check(" float=4 " in line, line)
        check(line.endswith(" strings=1,alone"), line)
        d.listener("o")["options"] = {}
        d.write_config()
        d.reload_ready()
        equal(receive_line(d.connect()), DEFAULTS)


def test_options_reach_open_connections():
    with Daemon(listener("s", test_plugin("stamp"),
                         options={"greeting": "-a"})) as d:
        s = d.connect()
        s.sendall(b"x\n")
        equal(receive_line(s), "v1-a 1 x")
        d.listener("s")["options"]["greeting"] = "-b"
        d.write_config()
        d.reload_ready()
        s.sendall(b"x\n")
        equal(receive_line(s), "v1-b 2 x")


def test_idle_timeout_of_open_connections():
    with Daemon(listener("c", test_plugin("command",
                                          WITHOUT_TIMEOUT=True))) as d:
        s, own = d.connect(), d.connect()
        own.sendall(b"timeout 3600000\nsay ok\n")   # sl_timeout() wins
        receive_line(own)
        d.wait_trace("open", 1)
        d.listener("c")["timeouts"] = {"idle": "%dms" % (50 * SLOW)}
        d.write_config()
        d.reload_ready()
        expect_gone(s)
        d.wait_trace("close 4", 1)
        own.sendall(b"say here\n")
        equal(receive_line(own), "here")


def test_buffers_of_open_connections():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "16KiB",
                                 "write_queue": "1MiB"})) as d:
        s = d.connect(receive_buffer=4096)
        d.wait_trace("open", 1)
        d.listener("c")["limits"] = {"write_buffer": "16KiB",
                                     "write_queue": "16KiB"}
        d.write_config()
        d.reload_ready()
        s.sendall(b"send 900000\n")
        d.wait_trace("call send = -1 ENOBUFS", 1)


def test_log_settings():
    with Daemon(listener("c", test_plugin("command"))) as d:
        d.connect().close()
        d.wait_log("conn 1 c .* closed why=peer")
        d.settings["log"] = {"access": False, "level": "info"}
        d.write_config()
        d.reload_ready()
        since = d.mark()
        d.connect().close()
        d.wait_trace("close", 2)
        d.settings["log"] = {"access": True}
        d.write_config()
        d.reload_ready()
        equal(d.log_lines("conn 2 .*closed", since), [])
        d.connect().close()
        d.wait_log("conn 3 c .* closed why=peer")


def test_keys_that_need_a_restart():
    with Daemon(listener("c", test_plugin("command"))) as d:
        d.settings["workers"] = 2
        d.write_config()
        text = d.reload_refused()
        check("sluice.conf:1: " in text and "workers" in text, text)
        d.settings["workers"] = 1
        if os.geteuid() != 0:
            return      # only root can change its user
        d.settings["user"] = "daemon"
        d.write_config()
        text = d.reload_refused()
        check("user" in text and "sluice.conf:3: " in text, text)
        del d.settings["user"]
        d.write_config()
        equal(d.reload_ready(), 2)


def test_a_changed_number_of_cpus_needs_no_restart():
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        raise Skip("there is one CPU only")
    with Daemon(listener("echo", test_plugin("service")), workers=0) as d:
        os.sched_setaffinity(d.pid, {min(cpus)})
        before = d.workers()
        equal(d.reload_ready(), 2)
        equal(d.workers(), before)


def test_pinned_plugin_stays_with_its_worker():
    """Without SL_MANY_WORKERS one worker serves it, always the same."""
    with Daemon(listener("c", test_plugin("command", FLAGS=0)),
                workers=2) as d:
        for i in range(20):
            s = d.connect()
            s.sendall(b"say x\n")
            receive_line(s)
        before = {d.worker_of(i + 1) for i in range(20)}
        equal(len(before), 1, "workers")
        d.listener("c")["options"] = {"at_close": "facts"}
        d.write_config()
        d.reload_ready()
        s = d.connect()
        s.sendall(b"say x\n")
        receive_line(s)
        equal({d.worker_of(21)}, before, "the worker")


main()

"""A reload that fails is refused with a reason, and changes nothing."""

import os
import re
import shutil
import socket

from sluice_test import (SANITIZED, check, compile_plugin, equal, main,
                         plugin, receive_line, test_plugin)

from refusals import Refusals


def test_configuration():
    with Refusals() as r:
        r.d.write("listeners = ( { name = ;\n")
        r.refused(r"sluice\.conf:1: ", "1 problem;")
        r.d.write("")
        r.refused("listeners")
        r.d.write(r.good.replace("workers = 1;", "workers = 1;\nwokers = 2;")
                  .replace('name = "stamp";', 'name = "stamp"; colour = 3;'))
        r.refused(r"sluice\.conf:2: .*wokers", r"sluice\.conf:\d: .*colour",
                  "2 problems")
        os.unlink(r.d.config)
        r.refused("sluice.conf")
        os.mkdir(r.d.config)
        r.refused("sluice.conf")
        os.rmdir(r.d.config)
        r.d.write(r.good)
        equal(r.d.reload_ready(), 2, "generation")


def test_reload_callback_fails():
    with Refusals(workers=2) as r:
        r.with_listener("svc", test_plugin("service"))
        equal(r.d.reload_ready(), 2)
        s = r.d.connect("svc")
        s.sendall(b"x")
        equal(s.recv(1), b"x")
        directory = r.d.open_directory("locks")
        r.d.listeners[1]["options"] = {"lock": directory + "/x"}
        r.d.write_config()
        since = r.d.mark()
        said = r.d.reload_refused()
        check("keeping generation 2" in said, said)
        begun = len(r.d.log_lines("service reload", since))
        check(begun > 0, "`reload` was not called")
        r.d.wait_log("service stop", since, count=begun)
        s.sendall(b"y")
        equal(s.recv(1), b"y")
        for _ in range(5):
            other = r.d.connect("svc")
            other.sendall(b"z")
            equal(other.recv(1), b"z")


def test_address_in_use():
    with Refusals() as r:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            address = "127.0.0.1:%d" % busy.getsockname()[1]
            r.with_listener("bad", plugin("echo"), address)
            r.refused(re.escape(address), "in use")
        r.with_listener("bad", plugin("echo"), "unix:" + r.d.path("no/dir"))
        r.refused("no/dir")
        r.with_listener("bad", plugin("echo"), "192.0.2.1:7")
        r.refused(r"192\.0\.2\.1:7")
        # With one address in use, the other new one is closed again.
        with socket.create_server(("127.0.0.1", 0)) as busy:
            address = "127.0.0.1:%d" % busy.getsockname()[1]
            r.with_listener("bad", plugin("echo"),
                            ["unix:" + r.d.path("sock"), address])
            r.refused("in use")
            check(not os.path.exists(r.d.path("sock")), "a path is left")


def test_number_is_not_used_up():
    with Refusals() as r:
        for _ in range(3):
            r.d.write("nonsense")
            r.refused()
        r.d.write(r.good)
        equal(r.d.reload_ready(), 2, "generation")


def test_good_again_after_bad():
    """The next good reload works as always."""
    with Refusals() as r:
        d = r.d
        for i in range(2, 4 if SANITIZED else 6):
            shutil.copy(test_plugin("crash"), d.path("stamp.so"))
            d.reload_refused()
            compile_plugin("stamp", d.path("stamp.so"), VERSION="v%d" % i)
            equal(d.reload_ready(), i)
            r.lines += 1
            r.s.sendall(b"x\n")
            equal(receive_line(r.s), "v%d %d x" % (i, r.lines))


main()

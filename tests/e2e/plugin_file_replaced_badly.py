"""Changes to a plugin's file affect nothing until a reload."""

import os
import shutil
import signal

from sluice_test import (Daemon, check, compile_plugin, equal, listener,
                         main, receive_line, test_plugin, wait_until)


def daemon():
    d = Daemon(listener("stamp", "./stamp.so"), start=False, workers=2)
    compile_plugin("stamp", d.path("stamp.so"), VERSION="v1")
    d.wants_start = True
    return d


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s).split()[0]


def harmless(damage):
    with daemon() as d:
        clients = [d.connect() for _ in range(10)]
        for s in clients:
            equal(ask(s), "v1")
        damage(d)
        for s in clients:
            equal(ask(s), "v1")
        for _ in range(10):
            equal(ask(d.connect()), "v1")
        # A restarted worker has the committed code.
        since = d.mark()
        os.kill(d.workers()[0], signal.SIGKILL)
        d.wait_log(r"worker 1 \(pid \d+\) started", since)

        def served_by_the_new_one():
            s = d.connect()
            equal(ask(s), "v1")
            s.close()
            return True

        for _ in range(10):
            wait_until(served_by_the_new_one, "service")


def test_overwritten_in_place():
    def damage(d):
        with open(d.path("stamp.so"), "r+b") as file:
            size = file.seek(0, 2)
            file.seek(0)
            file.write(b"\xcc" * size)
    harmless(damage)


def test_rebuilt_in_place():
    def damage(d):
        compile_plugin("stamp", d.path("v2.so"), VERSION="v2")
        with open(d.path("v2.so"), "rb") as file, open(
                d.path("stamp.so"), "r+b") as target:
            shutil.copyfileobj(file, target)
            target.truncate()
    harmless(damage)


def test_truncated():
    def damage(d):
        os.truncate(d.path("stamp.so"), 100)
    harmless(damage)


def test_renamed_over():
    def damage(d):
        compile_plugin("stamp", d.path("stamp.so"), VERSION="v2")
    harmless(damage)


def test_deleted():
    def damage(d):
        os.unlink(d.path("stamp.so"))
    harmless(damage)


def test_replaced_by_something_that_crashes():
    def damage(d):
        shutil.copy(test_plugin("crash"), d.path("stamp.so"))
    harmless(damage)


def test_overwritten_in_place_then_reloaded():
    """With a reload, the new code is served although the inode is the same."""
    with daemon() as d:
        s = d.connect()
        equal(ask(s), "v1")
        for i in range(2, 6):
            compile_plugin("stamp", d.path("next.so"), VERSION="v%d" % i)
            inode = os.stat(d.path("stamp.so")).st_ino
            with open(d.path("next.so"), "rb") as file, open(
                    d.path("stamp.so"), "r+b") as target:
                shutil.copyfileobj(file, target)
                target.truncate()
            equal(os.stat(d.path("stamp.so")).st_ino, inode)
            d.reload_ready()
            equal(ask(s), "v%d" % i)
            check(ask(d.connect()) == "v%d" % i)


main()

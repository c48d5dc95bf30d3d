"""--watch reloads after a change of a file, however it was written."""

import os
import pty
import shutil
import signal
import subprocess
import threading
import time

from sluice_test import (SANITIZED, SLOW, SLUICED, Daemon, Skip, check,
                         compile_plugin, compiler, equal, listener, main, receive_line,
                         run_sluiced, scratch, wait_until)

SOON = 1.0		# seconds from the last byte of a file to the verdict
QUIET = 0.6		# seconds; a reload would begin much sooner
VERDICT = r"generation \d+ ready|reload refused"

images = {}


def image(version):
    """The bytes of a plugin of that version."""
    if version not in images:
        path = compile_plugin("stamp", os.path.join(scratch(), "image.so"),
                              VERSION=version)
        with open(path, "rb") as file:
            images[version] = file.read()
    return images[version]


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, 0o755)


def daemon(**settings):
    d = Daemon(listener("stamp", "./stamp.so"), start=False,
               arguments=["--watch"], **settings)
    put(d.path("stamp.so"), image("v1"))
    for version in ("v2", "v3"):
        image(version)
    d.wants_start = True
    return d


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s).split(" ")[0]


def verdict(d, since, expected="generation"):
    line = d.wait_log(VERDICT, since).string
    check(expected in line, "instead of", expected, ":", line)
    return line


def stays_quiet(d, since):
    time.sleep(QUIET * SLOW)	# a span in which nothing may happen
    equal(d.log_lines("reloading", since), [], "reloads for nothing")


def test_in_place_by_rename_and_removed_first():
    with daemon() as d:
        s = d.connect()
        path = d.path("stamp.so")

        def in_place(content):
            put(path, content)

        def by_rename(content):
            put(path + ".tmp", content)
            os.rename(path + ".tmp", path)

        def removed_first(content):
            os.unlink(path)
            time.sleep(0.3)	# a compiler needs some time
            put(path, content)

        def backup_kept(content):
            os.rename(path, path + "~")
            put(path, content)

        for i, write in enumerate((in_place, by_rename, removed_first,
                                   backup_kept)):
            since = d.mark()
            version = "v%d" % (i % 2 + 2)
            write(image(version))
            begun = time.monotonic()
            line = verdict(d, since)
            took = time.monotonic() - begun
            check("generation %d " % (i + 2) in line, write.__name__, line)
            check(took < SOON * SLOW, write.__name__, "took", took, "s")
            equal(ask(s), version, write.__name__)
            equal(len(d.log_lines("reloading", since)), 1,
                  "reloads after " + write.__name__)
        check(d.log_lines("reloading .watch: stamp.so changed"), "the reason")


def test_a_slow_writer_is_waited_for():
    with daemon() as d:
        since = d.mark()
        content = image("v2")
        with open(d.path("stamp.so"), "wb", buffering=0) as file:
            for at in range(0, len(content), len(content) // 8):
                file.write(content[at:at + len(content) // 8])
                time.sleep(0.15)	# this writer is slow
        verdict(d, since)
        equal(len(d.log_lines("reloading", since)), 1, "reloads")
        equal(ask(d.connect()), "v2")


def test_half_a_file_is_refused_and_tried_again_when_it_is_whole():
    """A file is written, closed, and only later written to its end."""
    with daemon() as d:
        s = d.connect()
        since = d.mark()
        content = image("v2")
        put(d.path("stamp.so"), content[:len(content) // 2])
        verdict(d, since, "refused")
        equal(ask(s), "v1")
        since = d.mark()
        with open(d.path("stamp.so"), "ab") as file:
            file.write(content[len(content) // 2:])
        verdict(d, since)
        equal(ask(s), "v2")


def test_nothing_changed_nothing_done():
    with daemon() as d:
        since = d.mark()
        put(d.path("neighbour.so"), b"of no interest")
        os.unlink(d.path("neighbour.so"))
        with open(d.path("stamp.so"), "rb") as file:
            file.read()
        stays_quiet(d, since)
        d.reload_ready()	# by SIGHUP, once
        stays_quiet(d, d.mark())


def test_a_vanished_file_is_waited_for():
    with daemon() as d:
        since = d.mark()
        os.unlink(d.path("stamp.so"))
        d.wait_log("stamp.so is gone; waiting", since)
        stays_quiet(d, since)
        put(d.path("stamp.so"), image("v3"))
        verdict(d, since)
        equal(ask(d.connect()), "v3")


def test_configuration_and_includes():
    with daemon(include="conf.d/*.conf") as d:
        since = d.mark()
        os.mkdir(d.path("conf.d"))	# the directory comes later
        put(d.path("conf.d/more.conf"), b"""listeners = ( { name = "more";
            listen = "127.0.0.1:0"; plugin = "./stamp.so"; } );\n""")
        verdict(d, since)
        equal(ask(d.connect("more")), "v1")

        # Until another file changes, it may come back.
        since = d.mark()
        os.unlink(d.path("conf.d/more.conf"))
        d.wait_log("more.conf is gone; waiting", since)
        stays_quiet(d, since)

        since = d.mark()
        d.listener("stamp")["options"] = {"greeting": "!"}
        d.write_config()
        verdict(d, since)
        equal(ask(d.connect("stamp")), "v1!")
        check(d.log_lines("no longer listening on", since), "it is gone")


MORE = b"""listeners = ( { name = "%s"; listen = "127.0.0.1:0";
plugin = "./stamp.so"; } );\n"""


def test_an_included_file_that_vanishes_is_waited_for():
    """However it is replaced, its listener is not without it in between."""
    with daemon(include="conf.d/*.conf") as d:
        def put_more(name):
            put(d.path("conf.d/" + name), MORE % name.encode())

        os.mkdir(d.path("conf.d"))
        since = d.mark()
        put_more("a.conf")
        put_more("b.conf")
        verdict(d, since)
        s = d.connect("a.conf")
        for i in range(3):
            since = d.mark()
            if i == 0:
                os.unlink(d.path("conf.d/a.conf"))
            elif i == 1:
                os.rename(d.path("conf.d/a.conf"), d.path("conf.d/a.conf~"))
            else:
                shutil.rmtree(d.path("conf.d"))
            d.wait_log(r"conf\.d/a\.conf is gone; waiting", since)
            stays_quiet(d, since)
            equal(ask(s), "v1")
            equal(ask(d.connect("a.conf")), "v1")
            if i == 2:
                os.mkdir(d.path("conf.d"))
                put_more("b.conf")
            put_more("a.conf")
            verdict(d, since)
            equal(len(d.log_lines("reloading", since)), 1, "reloads")
            equal(d.log_lines("no longer listening on", since), [])
            equal(ask(s), "v1")
        # Another name is a new file.
        since = d.mark()
        os.rename(d.path("conf.d/a.conf"), d.path("conf.d/c.conf"))
        verdict(d, since)
        equal(ask(s), "v1")
        # A reload that was asked for goes on without it.
        since = d.mark()
        os.unlink(d.path("conf.d/b.conf"))
        d.wait_log(r"conf\.d/b\.conf is gone; waiting", since)
        d.reload_ready()
        check(d.log_lines("no longer listening on", since), "b is gone")
        since = d.mark()
        put_more("b.conf")
        verdict(d, since)
        equal(ask(d.connect("b.conf")), "v1")


def test_files_of_a_refused_reload_are_watched():
    """The configuration named a plugin in a directory that did not exist."""
    with daemon() as d:
        since = d.mark()
        d.listener("stamp")["plugin"] = "./out/new.so"
        d.write_config()
        verdict(d, since, "refused")
        since = d.mark()
        os.mkdir(d.path("out"))
        put(d.path("out/new.so"), image("v2"))
        verdict(d, since)
        equal(ask(d.connect()), "v2")


def test_directories_that_vanish_and_come_back():
    with daemon() as d:
        os.mkdir(d.path("out"))
        put(d.path("out/new.so"), image("v2"))
        d.listener("stamp")["plugin"] = "./out/new.so"
        since = d.mark()
        d.write_config()
        verdict(d, since)
        for i, version in enumerate(("v3", "v1", "v2")):
            since = d.mark()
            if i == 1:
                os.rename(d.path("out"), d.path("old"))
            else:
                shutil.rmtree(d.path("out"))
            time.sleep(0.2)
            os.mkdir(d.path("out"))
            time.sleep(0.1 * i)
            put(d.path("out/new.so"), image(version))
            verdict(d, since)
            equal(ask(d.connect()), version)


def test_links_that_point_elsewhere():
    with daemon() as d:
        os.mkdir(d.path("real"))
        put(d.path("real/a.so"), image("v2"))
        put(d.path("real/b.so"), image("v3"))
        since = d.mark()
        os.symlink("real/a.so", d.path("link"))
        os.rename(d.path("link"), d.path("stamp.so"))
        verdict(d, since)
        equal(ask(d.connect()), "v2")
        since = d.mark()
        os.symlink("real/b.so", d.path("link"))
        os.rename(d.path("link"), d.path("stamp.so"))
        verdict(d, since)
        equal(ask(d.connect()), "v3")
        since = d.mark()
        put(d.path("real/b.so"), image("v1"))	# behind the link
        verdict(d, since)
        equal(ask(d.connect()), "v1")


def test_a_directory_whose_name_looks_like_a_pattern():
    with daemon() as d:
        odd = d.path("o[d]d\\*")
        os.mkdir(odd)
        put(os.path.join(odd, "x.so"), image("v2"))
        d.listener("stamp")["plugin"] = os.path.join(odd, "x.so")
        since = d.mark()
        d.write_config()
        verdict(d, since)
        equal(ask(d.connect()), "v2")
        since = d.mark()
        put(os.path.join(odd, "x.so"), image("v3"))
        verdict(d, since)
        equal(ask(d.connect()), "v3")


def test_more_changes_than_inotify_remembers():
    try:
        with open("/proc/sys/fs/inotify/max_queued_events") as file:
            room = int(file.read())
    except OSError as error:
        raise Skip("no inotify: %s" % error)
    if room > 40000:
        raise Skip("a queue of %d events takes too long to fill" % room)
    with daemon() as d:
        since = d.mark()
        os.kill(d.pid, signal.SIGSTOP)
        for _ in range(room // 3 + 100):
            put(d.path("other"), b"")
            os.unlink(d.path("other"))
        put(d.path("stamp.so"), image("v2"))
        os.kill(d.pid, signal.SIGCONT)
        verdict(d, since)
        equal(ask(d.connect()), "v2")


WITHOUT = r"""
#include <errno.h>
int inotify_init1(int flags) { (void)flags; errno = EMFILE; return -1; }
"""


def test_without_inotify():
    if SANITIZED:
        raise Skip("the sanitizers want to be loaded first")
    compiler("CC", "cc")
    library = compile_plugin(WITHOUT, os.path.join(scratch(), "without.so"),
                             ["-fvisibility=default"])
    with daemon(env={"LD_PRELOAD": library}) as d:
        check(d.log_lines("there is no inotify"), "it is said")
        since = d.mark()
        put(d.path("stamp.so"), image("v2"))
        verdict(d, since)
        equal(ask(d.connect()), "v2")


def test_a_line_for_the_terminal():
    """At a terminal the verdict is shown in colour."""
    master, slave = pty.openpty()
    seen = bytearray()

    def read():
        while True:
            try:
                seen.extend(os.read(master, 4096))
            except OSError:
                return

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    # The daemon's log goes to the terminal only.
    with daemon(log={"access": False}) as d:
        d.stop()
        process = subprocess.Popen([SLUICED, "-c", d.config, "--watch"],
                                   stdin=subprocess.DEVNULL, stderr=slave,
                                   start_new_session=True)
        os.close(slave)
        try:
            wait_until(lambda: b"generation 1 ready" in seen, "the start")
            time.sleep(0.3)	# a span in which nothing may be said
            check(b"\x1b[" not in seen, "no colour before a change")
            put(d.path("stamp.so"), image("v2"))
            wait_until(lambda: b"\x1b[32m-- generation 2 is live, after "
                       in seen, "the good news")
            put(d.path("stamp.so"), b"nonsense")
            wait_until(lambda: b"\x1b[31m-- refused, after " in seen,
                       "the bad news")
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(20)
        equal(status, 0, "exit status")


def test_other_modes_are_refused_with_it():
    for other in (["-t"], ["--describe", "x.so"]):
        equal(run_sluiced("--watch", *other).returncode, 2, other)


main()

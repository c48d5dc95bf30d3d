"""Files that cannot be a plugin: by their kind, or by who may change them."""

import os
import pwd
import shutil
import threading

from sluice_test import (Daemon, check, equal, listener, main, need,
                         need_root, plugin, receive)

from refusals import Refusals

NOBODY = 65534
STRANGER = 1234567         # has no name


def test_what_is_not_a_file():
    with Refusals() as r:
        d = r.d
        r.without("./missing.so", r"missing\.so: No such file")
        r.without("nosuchname", r"nosuchname\.so: No such file")
        r.without("./stamp.so/x.so", r"x\.so: Not a directory")
        os.mkdir(d.path("dir.so"))
        r.without("./dir.so", r"dir\.so: is a directory, not a plugin")
        r.without("./", "is a directory, not a plugin")
        os.mkfifo(d.path("fifo.so"))
        r.without("./fifo.so", r"fifo\.so: is not a regular file")
        r.without("/dev/zero", "/dev/zero: is not a regular file")
        os.symlink("loop.so", d.path("loop.so"))
        r.without("./loop.so", r"loop\.so: Too many levels")
        r.ready_again()


def test_what_is_not_code():
    with Refusals() as r:
        d = r.d
        d.write("", "empty.so")
        r.without("./empty.so", r"empty\.so: is empty")
        d.write("just a text\n", "text.so")
        r.without("./text.so", r"text\.so: is not a shared object")
        with open(d.path("huge.so"), "wb") as file:
            file.truncate((64 << 20) + 1)
        r.without("./huge.so", r"huge\.so: has \d+ bytes, and a plugin may")
        r.ready_again()


def test_truncated():
    with Refusals() as r:
        with open(plugin("echo"), "rb") as file:
            whole = file.read()
        for percent in (5, 30, 60, 90, 99):
            with open(r.d.path("part.so"), "wb") as file:
                file.write(whole[:len(whole) * percent // 100])
            r.without("./part.so", r"part\.so: is (cut short|not whole)")
        r.ready_again()


def test_changed_while_it_was_read():
    """A copy could be half of one version and half of the next."""
    with Refusals() as r:
        path = r.d.path("busy.so")
        shutil.copy(plugin("echo"), path)
        os.truncate(path, 60 << 20)         # it takes a while to read
        done = threading.Event()

        def touch():
            while not done.wait(0.001):
                os.utime(path)

        thread = threading.Thread(target=touch)
        thread.start()
        try:
            r.without("./busy.so", r"busy\.so: changed while it was read")
        finally:
            done.set()
            thread.join()
        r.ready_again()


def give(path, mode=None, owner=None):
    if owner is not None:
        os.chown(path, owner, -1, follow_symlinks=False)
    if mode is not None:
        os.chmod(path, mode)


def a_tree(d):
    """Make outer/inner/echo.so with correct owners and modes."""
    inner = d.path("outer/inner")
    os.makedirs(inner)
    shutil.copy(plugin("echo"), inner + "/echo.so")
    for path in (d.path("outer"), inner, inner + "/echo.so"):
        give(path, 0o755)
    return inner + "/echo.so"


def test_owner_and_mode_of_the_file():
    need_root()
    with Refusals() as r:
        path = a_tree(r.d)
        give(path, owner=STRANGER)
        r.without(path, "cannot be trusted: the file %s belongs to "
                  "user 1234567" % path)
        give(path, owner=pwd.getpwnam("daemon").pw_uid)
        r.without(path, 'the file %s belongs to user "daemon"' % path)
        give(path, 0o775, 0)
        r.without(path, "the file %s can be written to by its group" % path)
        give(path, 0o757)
        r.without(path, "the file %s can be written to by everybody" % path)
        # A sticky bit means nothing for a file.
        give(path, 0o1757)
        r.without(path, "the file %s can be written to by everybody" % path)
        give(path, 0o700)
        r.with_listener("bad", path)
        equal(r.d.reload_ready(), 2, "generation")


def test_directories_above():
    need_root()
    with Refusals() as r:
        path = a_tree(r.d)
        inner = os.path.dirname(path)
        outer = os.path.dirname(inner)
        for directory in (inner, outer):
            give(directory, owner=STRANGER)
            r.without(path, "the directory %s belongs to user 1234567; "
                      % directory)
            give(directory, 0o775, 0)
            r.without(path, "the directory %s can be written to by its "
                      "group; " % directory)
            give(directory, 0o757)
            r.without(path, "the directory %s can be written to by "
                      "everybody; " % directory)
            give(directory, 0o755)
        # By a path with detours.
        give(outer, 0o777)
        r.without("./outer/../outer//inner/./echo.so",
                  "the directory %s can" % outer)
        # With the sticky bit users cannot replace the files of others.
        give(outer, 0o1777)
        r.with_listener("bad", path)
        equal(r.d.reload_ready(), 2, "generation")


def test_links():
    """The directories that a link leads to count as well."""
    need_root()
    with Refusals() as r:
        d = r.d
        path = a_tree(d)
        inner = os.path.dirname(path)
        outer = os.path.dirname(inner)
        os.mkdir(d.path("links"))
        os.symlink(path, d.path("links/file.so"))
        os.symlink("../outer/inner", d.path("links/directory"))
        os.symlink("directory/echo.so", d.path("links/far.so"))
        for way in ("file.so", "directory/echo.so", "far.so"):
            give(outer, 0o777)
            r.without("./links/" + way, "the directory %s can be written "
                      "to by everybody" % outer)
            give(outer, 0o755)
        # The owner of a link can point it elsewhere.
        give(d.path("links"), 0o1777)
        give(d.path("links/far.so"), owner=STRANGER)
        r.without("./links/far.so", "the link %s belongs to user 1234567"
                  % d.path("links/far.so"))
        give(d.path("links"), 0o755)
        give(d.path("links/far.so"), owner=0)
        r.with_listener("bad", "./links/far.so")
        equal(d.reload_ready(), 2, "generation")


def test_plugin_dir():
    need_root()
    with Refusals() as r:
        path = a_tree(r.d)
        r.d.settings["plugin_dir"] = os.path.dirname(path)
        give(os.path.dirname(path), 0o777)
        r.without("echo", "the directory %s can be" % os.path.dirname(path))


def test_the_daemons_user_is_trusted():
    """Files of the workers' user are trusted: workers run them anyway."""
    need_root()
    user = pwd.getpwnam("daemon")
    with Refusals(user="daemon") as r:
        path = a_tree(r.d)
        give(path, owner=user.pw_uid)
        give(os.path.dirname(path), owner=user.pw_uid)
        r.with_listener("good", path)
        equal(r.d.reload_ready(), 2, "generation")
        s = r.d.connect("good")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_start_is_refused_as_well():
    need_root()
    d = Daemon(listener("echo", "./outer/inner/echo.so"), start=False)
    path = a_tree(d)
    give(path, owner=STRANGER)
    with d:
        d.start(wait=False)
        d.wait_log(r"sluice\.conf:\d+: .*belongs to user 1234567")
        d.wait_exit(1)


def test_others_are_warned():
    """Without root, such files only cause a warning."""
    need_root()             # to become another user
    need("setpriv")
    launcher = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY,
                "--clear-groups"]
    d = Daemon(listener("echo", "./outer/inner/echo.so"),
               listener("again", "./outer/inner/echo.so"),
               start=False, launcher=launcher)
    path = a_tree(d)
    give(os.path.dirname(path), 0o777)
    with d:
        d.start()
        lines = d.log_lines("cannot be trusted")
        equal(len(lines), 1, "warnings")
        check(" warn " in lines[0] and "sluice.conf:" in lines[0], lines[0])
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


main()

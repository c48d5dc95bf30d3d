"""The control socket as a file: owner, mode, replacement and removal."""

import grp
import os
import re
import socket
import stat
import subprocess

from sluice_test import (SLUICECTL, Daemon, Skip, check, equal, listener,
                         main, make_directory, need, need_root, plugin,
                         run_sluiced)

SOCKET = "control.sock"


def daemon(**settings):
    return Daemon(listener("echo", plugin("echo")),
                  **dict({"control": SOCKET}, **settings))


def refused_start(d, what):
    """The daemon does not start, and says why with file and line."""
    d.wants_start = False
    with d:
        d.start(wait=False)
        d.wait_exit(1)
        line = d.log_lines(" error master: " + d.config + r":\d+: ")[0]
        check(what in line, line)
        check("set control to a path that can be used" in line, line)


def test_mode():
    old = os.umask(0)
    try:
        with daemon() as d:
            status = os.lstat(d.path(SOCKET))
            check(stat.S_ISSOCK(status.st_mode))
            equal(oct(stat.S_IMODE(status.st_mode)), "0o600")
        os.umask(0o777)
        with daemon(control_mode="0660") as d:
            equal(oct(stat.S_IMODE(os.lstat(d.path(SOCKET)).st_mode)),
                  "0o660")
    finally:
        os.umask(old)


def test_group():
    need_root()
    group = grp.getgrnam("games")
    with daemon(control_mode="0660", control_group="games") as d:
        status = os.lstat(d.path(SOCKET))
        equal((status.st_uid, status.st_gid), (0, group.gr_gid))


def test_it_goes_with_the_daemon():
    with daemon() as d:
        path = d.path(SOCKET)
        check(os.path.exists(path))
        d.stop()
        check(not os.path.exists(path))


def test_stale_one_is_replaced():
    d = daemon()
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(d.path(SOCKET))
    stale.listen(1)
    stale.close()
    with d:
        equal(d.ask("status")["pid"], d.pid)


def test_after_kill():
    """The socket file of a killed master does not stop the next one."""
    d = daemon()
    with d:
        d.signal(9)
        d.process.wait()
        d.reader.join()                 # its worker is gone, too
        d.process = None
        check(os.path.exists(d.path(SOCKET)))
        since = d.mark()
        d.start(wait=False)
        d.wait_log("generation 1 ready", since)
        equal(d.ask("status")["pid"], d.pid)


def test_one_in_use_is_not_taken():
    with daemon() as d:
        path = d.path(SOCKET)
        refused_start(daemon(control=path), "another process listens there")
        equal(d.ask("status")["pid"], d.pid)


def test_other_files_are_not_touched():
    d = daemon()
    with open(d.path(SOCKET), "w") as file:
        file.write("precious")
    path = d.path(SOCKET)
    d.remove = lambda: None
    refused_start(d, "not a socket")
    with open(path) as file:
        equal(file.read(), "precious")
    del d.remove
    d.remove()


def test_foreign_path_is_not_unlinked():
    """Another socket or file has taken the place of ours."""
    for make in (lambda path: open(path, "w").close(),
                 lambda path: socket.socket(socket.AF_UNIX).bind(path)):
        d = daemon()
        keep = d.remove
        d.remove = lambda: None
        with d:
            make(d.path("other"))
            os.rename(d.path("other"), d.path(SOCKET))
            d.stop()
            check(os.path.lexists(d.path(SOCKET)), "it was removed")
        keep()


def test_directory_is_made():
    directory = make_directory()
    path = os.path.join(directory, "run", SOCKET)
    with daemon(control=path) as d:
        check(stat.S_ISSOCK(os.lstat(path).st_mode))
        d.stop()
    check(not os.path.exists(path))
    os.rmdir(os.path.dirname(path))
    # The umask does not matter: only the socket's mode restricts its use.
    old = os.umask(0o077)
    try:
        with daemon(control=path, control_mode="0666") as d:
            equal(oct(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)),
                  "0o755")
            d.stop()
    finally:
        os.umask(old)
    os.rmdir(os.path.dirname(path))
    # But only one directory is made.
    refused_start(daemon(control=os.path.join(directory, "a/b", SOCKET)),
                  "No such file or directory")
    os.rmdir(directory)


def test_directory_that_cannot_be_made():
    """The errno of the directory counts, not that of the socket in it."""
    need_root()
    directory = make_directory()
    d = daemon(control=os.path.join(directory, "run", SOCKET))
    d.launcher = [need("setpriv"), "--reuid=65534", "--regid=65534",
                  "--clear-groups"]
    os.chown(d.directory, 65534, 65534)
    refused_start(d, "cannot make the directory %s/run for the control "
                  "socket: Permission denied for uid 65534" % directory)
    os.rmdir(directory)


def problems(**settings):
    d = daemon(**settings)
    try:
        result = run_sluiced("-t", "-c", d.config)
        return result.returncode, result.stderr
    finally:
        d.remove()


def test_mistakes_in_the_configuration():
    for settings, status, what in (
            ({"control": "x" * 120}, 1,
             "the path of a socket must have 1 to 107"),
            ({"control_mode": "rw"}, 1, "is not an octal mode"),
            ({"control_mode": "7777"}, 1, "is not an octal mode"),
            ({"control_group": "nobody-has-this"}, 1, "there is no group"),
            ({"control_group": "root"}, 0, "control_group has no effect"),
            ({"control": 3}, 1, "control: expected a string")):
        got, said = problems(**settings)
        equal(got, status, "exit status of %s" % settings)
        check(what in said, what, "in", said)
    for key, value in (("control_mode", "0660"), ("control_group", "root")):
        d = Daemon(listener("echo", plugin("echo")), **{key: value})
        result = run_sluiced("-t", "-c", d.config)
        d.remove()
        equal(result.returncode, 1)
        check(key + ": there is no control socket" in result.stderr,
              result.stderr)


def test_plugins_are_kept_out():
    """A group that workers are in, and a user that is the master's too."""
    need_root()
    status, said = problems(user="daemon", group="games",
                            control_mode="0660", control_group="games")
    equal(status, 1)
    check(re.search(r"\.conf:\d+: error: control_group: the workers run in "
                    r'group "games"', said), said)
    with daemon(user="root") as d:
        check("set another user, or leave out control" in
              d.log_lines(r" warn +master: .*\.conf:\d+: control: ")[0])
    with daemon(user="daemon") as d:
        check(not d.log_lines(": control: "))


def test_not_root():
    """Started by an ordinary user, it belongs to that user."""
    need_root()
    setpriv = need("setpriv")
    d = daemon()
    os.chown(d.directory, 65534, 65534)
    d.launcher = [setpriv, "--reuid=65534", "--regid=65534",
                  "--clear-groups"]
    with d:
        check(d.log_lines("every plugin can command sluiced"))
        equal(os.lstat(d.path(SOCKET)).st_uid, 65534)
        command = [SLUICECTL, "-s", d.path(SOCKET), "reload", "--wait"]
        if subprocess.run(d.launcher + [SLUICECTL, "-V"],
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode != 0:
            raise Skip("nobody may not run sluicectl here")
        equal(subprocess.run(d.launcher + command).returncode, 0)
        equal(subprocess.run(command).returncode, 0)    # root


main()

"""A unix socket whose path was removed is made again without a restart."""

import os
import shutil
import socket
import stat

from sluice_test import (Daemon, check, equal, listener, main, plugin,
                         receive, wait_until)


def daemon(**settings):
    d = Daemon(listener("echo", plugin("echo")), **dict(
        {"control": "run/control.sock", "control_mode": "0660"}, **settings))
    os.mkdir(d.path("run"))
    d.socket = d.path("run/control.sock")
    return d


def reached(d):
    return d.sluicectl("-s", d.socket, "status").returncode == 0


def reload(d):
    result = d.sluicectl("-s", d.socket, "reload", "--wait")
    equal(result.returncode, 0, result.stderr)


def came_back(d, since):
    d.wait_log("control socket: .* was gone and has been made again", since)
    equal(oct(stat.S_IMODE(os.lstat(d.socket).st_mode)), "0o660")
    check(reached(d), "it does not answer")
    reload(d)


def test_the_file_is_removed():
    with daemon() as d:
        for _ in range(3):
            since = d.mark()
            os.unlink(d.socket)
            came_back(d, since)


def test_the_directory_is_removed_and_made_again():
    """systemd-tmpfiles or another unit may do that to a RuntimeDirectory."""
    with daemon() as d:
        since = d.mark()
        shutil.rmtree(d.path("run"))
        came_back(d, since)
        since = d.mark()
        os.rename(d.path("run"), d.path("elsewhere"))
        os.mkdir(d.path("run"))
        came_back(d, since)


def test_connected_clients_stay_connected():
    with daemon() as d:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(15)
        s.connect(d.socket)
        since = d.mark()
        os.unlink(d.socket)
        d.wait_log("has been made again", since)
        s.sendall(b'{"command": "status"}\n')
        check(s.recv(1 << 16).startswith(b"{"), "no answer")
        s.close()


def test_a_path_in_the_way_is_logged_once():
    with daemon() as d:
        os.unlink(d.socket)
        os.rename(d.path("run"), d.path("elsewhere"))
        with open(d.path("run"), "w"):
            pass
        d.wait_log("control socket: .*; sluicectl cannot reach sluiced")
        os.unlink(d.path("run"))
        since = d.mark()
        came_back(d, since - 1)
        equal(len(d.log_lines("cannot reach sluiced")), 1)


def test_the_path_of_another_process():
    """The path of another process is replaced only when that has closed."""
    with daemon() as d:
        other = socket.socket(socket.AF_UNIX)
        other.bind(d.path("other"))
        other.listen(1)
        os.rename(d.path("other"), d.socket)
        d.wait_log("something else is at its path; sluicectl cannot")
        since = d.mark()
        d.reload_ready()
        d.wait_log("another process listens there; sluicectl cannot", since)
        other.close()
        since = d.mark()
        d.reload_ready()
        d.wait_log("has been made again", since)
        check(reached(d), "it does not answer")


def test_unix_listeners():
    """A reload makes lost paths again, unless another process listens there."""
    d = daemon()
    path = d.path("run/echo")
    d.listeners.append(listener("unix", plugin("echo"), "unix:" + path))
    d.write_config()

    def echoes():
        s = d.connect(address="unix:" + path)
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        s.close()

    with d:
        echoes()
        shutil.rmtree(d.path("run"))
        os.mkdir(d.path("run"))
        d.reload_ready()
        echoes()
        os.unlink(path)
        other = socket.socket(socket.AF_UNIX)
        other.bind(path)
        other.listen(1)
        said = d.reload_refused()
        check("another process listens there" in said, said)
        other.close()
        d.reload_ready()            # the path that it left is taken over
        echoes()
        before = os.lstat(path).st_ino
        d.reload_ready()
        equal(os.lstat(path).st_ino, before, "its inode")


main()

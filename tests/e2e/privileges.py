"""Started as root: who each process is, and what it can still do."""

import grp
import os
import pwd
import re
import stat

from sluice_test import (SANITIZED, Daemon, check, children, equal,
                         listener, main, need_root, plugin, receive,
                         test_plugin, title, wait_until)


def status(pid):
    with open("/proc/%d/status" % pid) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


def expected_user():
    try:
        return pwd.getpwnam("sluice")
    except KeyError:
        return pwd.getpwnam("nobody")


def is_dumpable(pid):
    # The owner of these files is root when a process is not dumpable.
    # A leak checker needs it to be.
    return not SANITIZED and os.stat("/proc/%d/environ" % pid).st_uid != 0


def unprivileged(pid, uid, gid):
    # The last thing it gives up; until it does, it is on its way there.
    wait_until(lambda: status(pid)["NoNewPrivs"].strip() == "1"
               and not is_dumpable(pid), "%d to give up its rights" % pid)
    facts = status(pid)
    equal(facts["Uid"].split(), [str(uid)] * 4, "uids")
    equal(facts["Gid"].split(), [str(gid)] * 4, "gids")
    equal(facts["Groups"].strip(), "", "supplementary groups")
    equal(facts["NoNewPrivs"].strip(), "1", "NoNewPrivs")
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        equal(int(facts[kind], 16), 0, kind)
    check(not is_dumpable(pid), "the worker is dumpable")


def test_workers():
    need_root()
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        user = expected_user()
        for pid in d.workers():
            unprivileged(pid, user.pw_uid, user.pw_gid)
        equal(status(d.pid)["Uid"].split()[0], "0", "uid of the master")
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_named_user_and_group():
    need_root()
    user = pwd.getpwnam("daemon")
    group = grp.getgrnam("games")
    with Daemon(listener("echo", plugin("echo")), user="daemon",
                group="games") as d:
        unprivileged(d.workers()[0], user.pw_uid, group.gr_gid)
        # One that is started again is nobody else.
        os.kill(d.workers()[0], 9)
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        unprivileged(d.workers()[0], user.pw_uid, group.gr_gid)


def test_probe():
    """Its code is somebody's plugin, so it is as unprivileged."""
    need_root()
    with Daemon(listener("echo", plugin("echo"))) as d:
        d.listeners.append(listener("hang", test_plugin("hang")))
        d.write_config()
        d.signal(1)
        d.wait_log("reloading")
        user = expected_user()
        def probes():
            return [pid for pid in children(d.pid)
                    if title(pid) == "sluiced: probe"]

        pid = wait_until(probes, "the probe")[0]
        unprivileged(pid, user.pw_uid, user.pw_gid)


def test_titles():
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        titles = sorted(title(pid) for pid in children(d.pid))
        equal(titles, ["sluiced: worker 1", "sluiced: worker 2"])
        check(title(d.pid).startswith("sluiced: master "), title(d.pid))
        check(d.config in title(d.pid), title(d.pid))


def test_descriptors_of_a_worker():
    """Nothing of the master's: standard ones, the channel, what it serves."""
    need_root()
    with Daemon(listener("echo", plugin("echo"))) as d:
        worker = d.workers()[0]
        files = {fd: os.readlink("/proc/%d/fd/%d" % (worker, fd)) for fd in
                 map(int, os.listdir("/proc/%d/fd" % worker))}
        equal(files[0], "/dev/null", "standard input")
        for fd, target in files.items():
            check(re.match(r"socket:|pipe:|anon_inode:|/memfd:|/dev/null|"
                           r"/dev/(shm|zero)", target), fd, target)
            if target.startswith("/") and not target.startswith("/dev/"):
                check(target.startswith("/memfd:"), fd, target)


def test_config_that_only_root_can_read():
    need_root()
    with Daemon(listener("echo", plugin("echo"))) as d:
        os.chmod(d.config, stat.S_IRUSR)
        os.chmod(d.directory, 0o700)
        d.reload_ready()
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_privileged_port():
    need_root()
    with Daemon(listener("echo", plugin("echo"), "127.0.0.77:7")) as d:
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


main()

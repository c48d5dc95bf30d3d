"""Changes that a plugin makes to a listening socket are undone when a worker
starts and at a reload, so that "ready" means that the address is served."""

import os
import signal

from sluice_test import (Daemon, Skip, check, equal, free_address, listener, main,
                         need_root, receive, test_plugin, wait_until)


def serves(d, address, clients=12):
    """Every client is served, also those in other workers."""
    made = [d.connect(address=address) for _ in range(clients)]
    for s in made:
        s.sendall(b"x")
    for s in made:
        equal(receive(s, 1), b"x")
        s.close()


def play(d, address, trick):
    s = d.connect(address=address)
    s.sendall(b"! %s\n" % trick.encode())
    if receive(s, 4) != b"done":
        raise Skip("this kernel lets no worker do that")
    return s


def worker_of(d, s):
    """The pid of the worker that has the other end of the connection."""
    for pid in d.workers():
        with open("/proc/net/tcp") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        there = "0100007F:%04X" % s.getsockname()[1]
        inodes = {row[9] for row in rows if row[2] == there}
        for name in os.listdir("/proc/%d/fd" % pid):
            try:
                target = os.readlink("/proc/%d/fd/%s" % (pid, name))
            except OSError:
                continue
            if target[8:-1] in inodes:
                return pid
    return None


def reload_after(trick, said, **settings):
    address = free_address()
    with Daemon(listener("room", test_plugin("sticky"), address), workers=3,
                **settings) as d:
        play(d, address, trick)
        since = d.mark()
        d.reload_ready()
        serves(d, address)
        text = "\n".join(d.messages("room", since))
        check(said in text, said, "is not in", text)
        since = d.mark()
        d.reload_ready()
        check(not d.log_lines("a plugin ha", since), "it was changed again")


def respawn_after(trick, said):
    address = free_address()
    with Daemon(listener("room", test_plugin("sticky"), address), workers=2,
                pairs=False) as d:
        pid = worker_of(d, play(d, address, trick))
        since = d.mark()
        os.kill(pid, signal.SIGKILL)
        d.wait_log(r"worker \d \(pid \d+\) started", since)
        d.wait_log("listener room: a plugin ha", since)
        wait_until(lambda: len(d.log_lines("started", since)) == 1,
                   "one worker to start")
        serves(d, address)
        text = "\n".join(d.messages("room", since))
        check(said in text, said, "is not in", text)


def test_reload():
    for trick, said in (
            ("shutdown", "(it was shut down)"),
            ("disconnect", "(it was shut down)"),
            ("clamp", "(TCP_WINDOW_CLAMP), which cannot be undone"),
            ("choose", "(a program that chooses the socket)"),
            ("backlog", "(the length of its queue)"),
            ("options", "O_NONBLOCK, SO_LINGER, SO_RCVTIMEO, SO_RCVBUF")):
        print(trick)
        reload_after(trick, said)


def test_respawn():
    for trick, said in (
            ("shutdown", "(it was shut down)"),
            ("clamp", "(TCP_WINDOW_CLAMP), which cannot be undone"),
            ("choose", "(a program that chooses the socket)")):
        print(trick)
        respawn_after(trick, said)


def test_filters():
    """Newer kernels allow filters only to root."""
    need_root()
    reload_after("filter", "(a filter)", user="root", group="root")
    reload_after("locked", "(a locked filter), which cannot be undone",
                 user="root", group="root")


def test_unix_path_is_made_anew():
    with Daemon(listener("room", test_plugin("sticky"), "unix:room.sock"),
                workers=2, start=False) as d:
        address = "unix:" + d.path("room.sock")
        d.listeners[0]["listen"] = address
        d.write_config()
        d.start()
        play(d, address, "shutdown")
        since = d.mark()
        d.reload_ready()
        serves(d, address)
        d.wait_log(r"\(it was shut down\), which cannot be undone", since)


def test_abstract_name_is_refused():
    address = "unix:@sluice-test-%d" % os.getpid()
    with Daemon(listener("room", test_plugin("sticky"), address)) as d:
        play(d, address, "shutdown")
        said = d.reload_refused()
        check("in a way that cannot be undone; restart sluiced" in said, said)


main()

"""A worker can read memory shared with others, and write only its own part.

The plugin writes "has been in a callback for ever" wherever it can.  A healthy
worker must not be aborted for that, and the counts of others must not change.
"""

import os

from sluice_test import (Daemon, Skip, check, equal, listener, main,
                         receive_line, test_plugin)

WORKERS = 3


def client_of(d, pid):
    while True:
        s = d.connect()
        s.sendall(b"p")
        if int(receive_line(s)) == pid:
            return s


def counted(d, worker):
    counts = d.ask("status")["workers"][worker]["counts"]
    del counts["bytes_out"]     # counted only after the bytes arrive
    return counts


def scribble(d):
    pids = d.workers()
    clients = [client_of(d, pid) for pid in pids]
    since = d.mark()
    before = counted(d, 2)
    clients[0].sendall(b"s")
    said = receive_line(clients[0])
    equal(counted(d, 2), before, "what another worker has counted")
    clients[1].sendall(b"h")    # hang: shows when the watchdog has looked
    d.wait_log(r"worker 2: callback data .* aborting it", since)
    d.wait_log(r"worker 2 \(pid \d+\) started", since)
    equal(d.log_lines(r"worker [13]: .* (aborting|running)", since), [],
          "healthy workers that were said to be stuck")
    for s in (clients[0], clients[2]):
        s.sendall(b"p")
        check(int(receive_line(s)) in pids)
    # It can write its row and its memory for answers, but not the head or
    # the rows of others.
    equal(said, "2 of %d" % (WORKERS + 2), "what could be written")
    # The row of a restarted worker is not writable, either.
    client_of(d, d.workers()[1])
    clients[0].sendall(b"s")
    equal(receive_line(clients[0]), said, "after a respawn")


def test_workers_of_another_user():
    if os.geteuid() != 0:
        raise Skip("only root has workers of another user")
    # A slow callback would be told in memory that was scribbled on.
    with Daemon(listener("s", test_plugin("scribble")), workers=WORKERS,
                control="control.sock", watchdog="500ms", pairs=False,
                slow_callback=0) as d:
        scribble(d)


def test_workers_of_the_same_user():
    """The same user could open the files again, but they are sealed."""
    same = {"user": "root"} if os.geteuid() == 0 else {}
    # A slow callback would be told in memory that was scribbled on.
    with Daemon(listener("s", test_plugin("scribble")), workers=WORKERS,
                control="control.sock", watchdog="500ms", pairs=False,
                slow_callback=0, **same) as d:
        scribble(d)


main()

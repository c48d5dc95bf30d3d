"""When a deadline passes while the worker is held up, the worker reads the
socket before it acts on the deadline."""

import os
import select
import signal
import socket
import time

from sluice_test import (Daemon, SLOW, check, equal, listener, main,
                         receive_all, receive_line, test_plugin, wait_until)

CLIENTS = 40


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    return time.monotonic()


def go_on(pid, stopped, milliseconds):
    """Continue the worker when it was stopped for so long."""
    wait_until(lambda: time.monotonic() - stopped > milliseconds / 1000,
               "the timers to run out")
    os.kill(pid, signal.SIGCONT)


def test_the_peers_end_wins_over_idle():
    idle = 1500 * SLOW  # enough for all clients to begin, on a busy machine
    with Daemon(listener("c", test_plugin("command", WITHOUT_TIMEOUT=True),
                         timeouts={"idle": "%dms" % idle,
                                   "linger": "20ms"})) as d:
        worker = d.workers()[0]
        clients = [d.connect() for _ in range(CLIENTS)]
        for s in clients:
            s.sendall(b"at end end 5\nsay ready\n")
        for s in clients:
            receive_line(s)
        stopped = stop(worker)
        for s in clients:
            s.shutdown(socket.SHUT_WR)
        go_on(worker, stopped, idle + 100)
        for s in clients:
            equal(receive_all(s), b"01234")
        equal(len(d.log_lines("closed why=idle")), 0, "idle")


def test_data_keeps_the_timeout_callback_away():
    idle = 1500 * SLOW  # enough for all clients to begin, on a busy machine
    with Daemon(listener("c", test_plugin("command"))) as d:
        worker = d.workers()[0]
        clients = [d.connect() for _ in range(CLIENTS)]
        for s in clients:
            s.sendall(b"timeout %d\nsay ready\n" % idle)
        for s in clients:
            receive_line(s)
        stopped = stop(worker)
        for s in clients:
            s.sendall(b"timeout 0\nsay here\n")
        go_on(worker, stopped, idle + 100)
        for s in clients:
            equal(receive_line(s), "here")
        equal(len(d.log_lines(r"trace \d+ timeout")), 0, "timeouts")


def drain(s, quiet=0.05):
    """Read until nothing has come for a while.  Returns bytes."""
    got = 0
    while select.select([s], [], [], quiet)[0]:
        got += len(s.recv(1 << 16))
    return got


def test_a_peer_that_has_read_everything_is_not_stalled():
    write = 1000 * SLOW
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"write": "%dms" % write})) as d:
        worker = d.workers()[0]
        clients = [d.connect(receive_buffer=65536) for _ in range(8)]
        for s in clients:
            s.sendall(b"fill\n")
        d.wait_log("call fill", count=len(clients))
        stopped = stop(worker)
        filled = sum(int(line.split("= ")[1]) for line in
                     d.messages("call fill"))
        got = sum(drain(s) for s in clients)
        check(got < filled, "nothing was queued")
        go_on(worker, stopped, write + 500)
        while got < filled:
            readable = select.select(clients, [], [], 10 * SLOW)[0]
            check(readable, "only", got, "of", filled, "bytes came")
            for s in readable:
                part = s.recv(1 << 16)
                check(part, "closed early")
                got += len(part)
        equal(len(d.log_lines("write-stall")), 0, "stalled")


main()

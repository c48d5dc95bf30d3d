"""A new generation whose workers crash three times is rolled back."""

import os
import signal
import time

from sluice_test import (Daemon, Failure, check, compile_plugin, equal,
                         expect_gone, listener, main, plugin, receive,
                         receive_line, scratch, test_plugin, wait_until)


def room(at, **settings):
    return listener("room", test_plugin("crasher"),
                    options={"at": at, "how": "segv"}, **settings)


def crash(d, times=1):
    for _ in range(times):
        since = d.mark()
        s = d.connect("room")
        s.sendall(b"x")
        expect_gone(s)
        d.wait_log(r"worker \d+ \(pid \d+\) was killed", since)


def change(d, *listeners):
    d.listeners[:] = listeners
    d.write_config()
    return d.reload_ready()


def answers(d, name="room"):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def test_three_crashes():
    with Daemon(room("never"), listener("other", plugin("echo")), workers=2,
                pairs=False) as d:
        stays = d.connect("other")
        stays.sendall(b"x")
        equal(receive(stays, 1), b"x")
        equal(change(d, room("data"), listener("other", plugin("echo"))), 2)
        since = d.mark()
        crash(d, 2)
        check(not d.log_lines("going back", since), "too early")
        crash(d)
        d.wait_log(r"error master: generation 2 crashed 3 times in its first "
                   r"30 s; going back to generation 1$", since)
        d.wait_log(r"generation 3 ready \(as generation 1\): 2 listeners, "
                   r"2 workers; generation 2 crashed too often$", since)
        for _ in range(10):
            answers(d)
        # The next one is as any other.
        equal(change(d, room("never"), listener("other", plugin("discard"))),
              4)


def test_workers_in_back_off_come_at_once():
    with Daemon(room("never"), workers=1, pairs=False) as d:
        change(d, room("data"))
        since = d.mark()
        crash(d, 2)
        d.wait_log("starting it again in 100 ms", since)
        crash(d)
        d.wait_log("starting it again in 200 ms", since)
        begun = time.monotonic()
        answers(d)
        # Without a back-off of 200 ms; 5 s are for slow machines.
        d.wait_log("generation 3 ready", since)
        check(time.monotonic() - begun < 5, "it took long")


def test_the_first_generation_cannot_go_back():
    with Daemon(room("data"), pairs=False) as d:
        crash(d, 4)
        equal(len(d.messages("generation 1 crashed 3 times in its first 30 s, "
                             "the last time in data of .*; there is no "
                             "generation to go back to")), 1)
        check(not d.log_lines("going back"), "to what?")


def test_one_step_only():
    with Daemon(room("data"), pairs=False) as d:
        change(d, room("open"))
        since = d.mark()
        for _ in range(3):
            at = d.mark()
            expect_gone(d.connect("room"))
            d.wait_log("was killed", at)
        d.wait_log(r"generation 3 ready \(as generation 1\)", since)
        since = d.mark()
        crash(d, 4)
        check(not d.log_lines("going back|generation . ready", since),
              "a chain")


def test_not_after_the_time():
    with Daemon(room("never"), probation="200ms", pairs=False) as d:
        change(d, room("data"))
        since = d.mark()
        time.sleep(0.3)		# longer than probation, whose end no line tells
        crash(d, 3)
        check(not d.log_lines("going back", since), "it was over")


def test_the_watchdog_counts():
    with Daemon(room("never"), watchdog="200ms", pairs=False) as d:
        change(d, listener("room", test_plugin("crasher"),
                           options={"at": "data", "how": "sleep",
                                    "ms": 60000}))
        since = d.mark()
        for _ in range(3):
            at = d.mark()
            s = d.connect("room")
            s.sendall(b"x")
            expect_gone(s)
            d.wait_log("was aborted", at)
        d.wait_log(r"generation 2 crashed 3 times in its first 30 s; going "
                   "back to generation 1", since)
        d.wait_log(r"generation 3 ready \(as generation 1\)", since)
        answers(d)


def test_off():
    with Daemon(room("never"), probation=0, pairs=False) as d:
        change(d, room("data"))
        since = d.mark()
        crash(d, 3)
        check(not d.log_lines("going back", since), "it is off")


def test_crashes_of_the_one_before_do_not_count():
    with Daemon(room("data"), probation="60s", pairs=False) as d:
        crash(d, 2)
        change(d, room("data", backlog=5))
        since = d.mark()
        crash(d, 2)
        check(not d.log_lines("going back", since), "two and two")
        crash(d)
        d.wait_log(r"generation 2 crashed 3 times in its first 60 s; going "
                   "back to generation 1", since)
        d.wait_log("generation 3 ready", since)


def test_it_does_not_go_back_to_an_equal_generation():
    with Daemon(room("never"), pairs=False) as d:
        change(d, room("data"))
        since = d.mark()
        crash(d, 2)
        equal(d.reload_ready(), 3)
        crash(d, 3)
        d.wait_log("generation 3 crashed 3 times in its first 30 s; going "
                   "back to generation 1", since)
        d.wait_log(r"generation 4 ready \(as generation 1\)", since)
        answers(d)


def test_connections_are_carried_back():
    old = test_plugin("stamp")
    new = test_plugin("stamp", VERSION="v2")
    with Daemon(listener("stamp", old), workers=2) as d:
        clients = [d.connect() for _ in range(20)]
        for s in clients:
            s.sendall(b"a\n")
            equal(receive_line(s), "v1 1 a")
        change(d, listener("stamp", new))
        for s in clients:
            s.sendall(b"b\n")
            equal(receive_line(s), "v2 2 b")
        # Only one worker dies, together with its connections.
        since = d.mark()
        for _ in range(3):
            pid = d.workers()[0]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: d.workers()[0] != pid, "the next")
        d.wait_log(r"generation 3 ready \(as generation 1\)", since)
        left = 0
        for s in clients:
            try:
                s.sendall(b"c\n")
                equal(receive_line(s), "v1 3 c")
                left += 1
            except (OSError, Failure) as error:
                check("v" not in str(error), "not in the old code:", error)
        check(0 < left, "nobody is left of 20")


# Answers with its pid, but waits while a file named by the byte exists.
WAITS = r"""
#include <sluice.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	char path[] = DIRECTORY "/N", text[16];

	path[sizeof(path) - 2] = *(const char *)buf;
	while (access(path, F_OK) == 0)
		usleep(10000);
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	sl_write(c, text, strlen(text));
	return (ssize_t)len;
}

SL_PLUGIN(.name = "waits", .version = "1.0", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
"""


def kill(d, index):
    pid = d.workers()[index]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: d.workers()[index] != pid, "the next")


def connect_to(d, index):
    while True:
        s = d.connect()
        s.sendall(b"x")
        if int(receive_line(s)) == d.workers()[index]:
            return s


def hang(d, s, name):
    """Hang a connection's worker in `data` until the file is removed."""
    path = os.path.join(scratch(), name)
    with open(path, "w"):
        pass
    since = d.mark()
    s.sendall(name.encode())
    d.wait_log("callback data .* has been running", since)
    return path


def test_a_rollback_ends_the_probation_when_it_commits():
    waits = compile_plugin(WAITS, os.path.join(scratch(), "waits.so"),
                           DIRECTORY=scratch())
    with Daemon(listener("room", waits), workers=2, watchdog=0, pairs=False,
                control="control.sock", arguments=["-v"]) as d:
        change(d, listener("room", waits, backlog=5))
        kill(d, 0)
        kill(d, 1)
        # The first worker delays PREPARE until the rollback goes on without
        # it.  The second has prepared by then, and is busy at COMMIT.
        first, second = connect_to(d, 0), connect_to(d, 1)
        path = hang(d, first, "1")
        since = d.mark()
        control = d.control_client()
        control.sendall(b'{"command": "rollback"}\n')
        d.wait_log("reload: settle -> prepare", since)
        hang(d, second, "2")
        d.wait_log("reload: prepare -> commit", since)
        kill(d, 1)
        d.wait_log(r"generation 3 ready \(as generation 1\)", since)
        check(b'"ok"' in control.recv(4096), "the rollback")
        control.close()
        os.unlink(path)
        equal(d.messages("crashed 3 times", since), [])


main()

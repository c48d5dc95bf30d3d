"""A canary that crashes or fails goes back; the other workers never change."""

import os
import signal

from sluice_test import (Daemon, check, compile_plugin, equal, expect_gone,
                         free_address, listener, main, receive_line, scratch,
                         test_plugin)

CANARY = {"workers": 1, "time": "60s"}

# Ends every connection with an error.
FAILS = """
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	(void)len;
	return -1;
}

SL_PLUGIN(.name = "stamp", .version = "bad", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
"""

# `start` works once, in the canary, which is the first worker.
START_FAILS = """
#include <fcntl.h>
#include <unistd.h>

#include <sluice.h>

static int
on_start(struct sl_service *service)
{
	(void)service;
	int fd = open("%s/started", O_CREAT | O_EXCL | O_RDWR, 0666);

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static int
on_reload(struct sl_service *service, struct sl_service *old)
{
	(void)old;
	return on_start(service);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "stamp", .version = "bad", .flags = SL_MANY_WORKERS,
    .state_version = 2, .start = on_start, .reload = on_reload,
    .server = SL_HANDLERS(.data = on_data));
"""

# A timer of the service sends a line a moment after each answer.
TICKS = """
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	sl_timer(sl_service(c), NULL, (uint32_t)sl_id(c), 50);
	return sl_write(c, buf, len) < 0 ? -1 : (ssize_t)len;
}

static void
on_timer(struct sl_service *service, struct sl_conn *none, uint32_t id)
{
	(void)none;
	sl_write(sl_find(service, id), "tick\\n", 5);
}

SL_PLUGIN(.name = "ticks", .version = "1", .flags = SL_MANY_WORKERS,
    .state_version = STATE, .timer = on_timer,
    .server = SL_HANDLERS(.data = on_data));
"""


def stamp(version="v1", name="stamp", address="127.0.0.1:0", **settings):
    defines = {} if version == "v1" else {"VERSION": version}
    return listener(name, test_plugin("stamp", **defines), address, **settings)


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s).split()[0]


def versions(d, count=60):
    found = set()
    for _ in range(count):
        s = d.connect("stamp")
        found.add(ask(s))
        s.close()
    return found


def canary(d, *listeners):
    d.listeners[:] = listeners
    d.write_config()
    since = d.mark()
    d.signal(signal.SIGHUP)
    d.wait_log(r"canary: generation \d serves", since)
    return since


def test_a_crash():
    new = free_address()
    with Daemon(stamp(), workers=4, pairs=False,
                canary={"workers": 2, "time": "60s"}) as d:
        clients = [d.connect() for _ in range(60)]
        equal({ask(s) for s in clients}, {"v1"})
        others = d.workers()[1:]
        since = canary(d, stamp("v2"), stamp("v2", "new", new))
        equal({ask(s) for s in clients}, {"v1", "v2"})
        check(not d.refuses(new), "new is not there")
        os.kill(d.workers()[0], signal.SIGKILL)
        d.wait_log("canary: worker 1 was killed by SIGKILL in generation 2$",
                   since)
        d.wait_log("reload refused: 1 problem; keeping generation 1$", since)
        # The second canary worker went back together with its connections.
        equal(d.workers()[1:], others)
        alive = 0
        for s in clients:
            try:
                equal(ask(s), "v1")
                alive += 1
            except OSError:
                pass
            except Exception as error:
                if "end of file" not in str(error):
                    raise
        check(alive > 20, "only", alive, "are left")
        equal(versions(d), {"v1"})
        check(d.refuses(new), "the new one is left")

        # Generation 2 is not used again: connections have seen it.
        since = canary(d, stamp("v3"))
        check(d.log_lines("canary: generation 3 serves", since), "its number")
        equal(versions(d), {"v1", "v3"})


def test_an_operator_ends_it():
    with Daemon(stamp(), workers=3, control="control.sock",
                canary=CANARY) as d:
        clients = [d.connect() for _ in range(60)]
        equal({ask(s) for s in clients}, {"v1"})
        since = canary(d, stamp("v2"))
        equal({ask(s) for s in clients}, {"v1", "v2"})
        told = d.sluicectl("rollback")
        equal(told.returncode, 0, told.stderr)
        d.wait_log("info .*canary ended by control socket.*; generation 1 "
                   "stays$", since)
        equal(d.log_lines("refused", since), [])
        equal({ask(s) for s in clients}, {"v1"})
        equal(d.log_lines("was killed"), [])
        # Generation 1 still has no generation before it.
        equal(d.sluicectl("rollback").returncode, 1)


def test_the_others_crash_on_probation():
    """A rollback of the others does not wait for the end of the canary."""
    def room(at):
        return listener("room", test_plugin("crasher"), options={"at": at})
    with Daemon(stamp(), room("never"), workers=2, pairs=False) as d:
        d.listeners[1] = room("data")
        d.write_config()
        equal(d.reload_ready(), 2)
        d.settings["canary"] = CANARY
        since = canary(d, stamp("v2"), room("data"))
        for _ in range(3):
            at = d.mark()
            s = d.connect("room")
            s.sendall(b"x")
            expect_gone(s)
            d.wait_log("was killed by SIGSEGV", at)
        d.wait_log("canary: ended because generation 2 crashed 3 times", since)
        d.wait_log("reload refused: 1 problem; keeping generation 2$", since)
        d.wait_log(r"generation 4 ready \(as generation 1\)", since)
        equal(versions(d), {"v1"})


def test_connections_that_stay_on_it_keep_their_timers():
    builds = [compile_plugin(TICKS, os.path.join(scratch(), "ticks%d.so" % i),
                             flags=["-DSTATE=%d" % i]) for i in (1, 2)]
    rooms = [listener("ticks", path, on_reload="drain") for path in builds]
    with Daemon(rooms[0], workers=2, pairs=False, canary=CANARY,
                control="control.sock") as d:
        since = canary(d, rooms[1])
        clients = [d.connect() for _ in range(30)]
        equal({ask(s) for s in clients}, {"x"})
        equal({receive_line(s) for s in clients}, {"tick"})
        d.sluicectl("rollback")
        d.wait_log("canary ended by .*; generation 1 stays$", since)
        for s in clients:
            equal(ask(s), "x")
            equal(receive_line(s), "tick")


def test_errors():
    bad = compile_plugin(FAILS, os.path.join(scratch(), "bad.so"))
    with Daemon(stamp(), workers=2, pairs=False, canary=CANARY) as d:
        equal(versions(d), {"v1"})
        since = canary(d, listener("stamp", bad))
        for _ in range(60):
            s = d.connect()
            s.sendall(b"x\n")
            expect_gone_or_answer(s)
        d.wait_log(r"canary: 100 % of \d+ connections ended with an error, "
                   r"and 0 % of \d+ ", since)
        d.wait_log("reload refused: 1 problem; keeping generation 1$", since)
        equal(versions(d), {"v1"})


def expect_gone_or_answer(s):
    try:
        s.recv(100)
    except OSError:
        pass
    s.close()


def fail(d, count):
    for _ in range(count):
        s = d.connect()
        s.sendall(b"x\n")
        expect_gone_or_answer(s)


def test_errors_that_the_others_have_as_well():
    """A canary does not go back for errors that all workers have."""
    bad = compile_plugin(FAILS, os.path.join(scratch(), "bad.so"))
    with Daemon(listener("stamp", bad), workers=2, pairs=False,
                canary={"workers": 1, "time": "1s"}) as d:
        # The kernel may give one worker more of them.  So the time before
        # the canary must have as many errors.
        fail(d, 40)
        since = canary(d, listener("stamp", bad, backlog=100))
        fail(d, 100)
        d.wait_log("generation 2 ready", since)


def test_the_limit_is_a_setting():
    bad = compile_plugin(FAILS, os.path.join(scratch(), "bad.so"))
    with Daemon(stamp(), workers=2, pairs=False,
                canary={"workers": 1, "time": "1s", "errors": 100}) as d:
        since = canary(d, listener("stamp", bad))
        for _ in range(60):
            s = d.connect()
            s.sendall(b"x\n")
            expect_gone_or_answer(s)
        d.wait_log("generation 2 ready", since)


def test_the_others_cannot_prepare():
    """`start` fails in the workers that are not the canary."""
    with Daemon(stamp(), workers=3, pairs=False,
                canary={"workers": 1, "time": "300ms"}) as d:
        source = START_FAILS % d.open_directory("marks")
        fails = compile_plugin(source, d.path("fails.so"))
        since = canary(d, listener("stamp", fails))
        d.wait_log("has passed its trial of 300 ms; the other workers "
                   "follow", since)
        d.wait_log("reload refused: . problems?; keeping generation 1$",
                   since)
        equal(versions(d), {"v1"})
        equal(d.log_lines("was killed"), [])


main()

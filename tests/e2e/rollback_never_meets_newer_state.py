"""A rollback brings older code.  It starts afresh, or carries on with a state that
it knows; it is never handed what newer code has made."""

import os
import signal

from sluice_test import (Daemon, check, compile_plugin, equal, listener, main,
                         receive_line, scratch, wait_until)

# `reload` of version 1 believes that the old service has a state of version 1.
HEIR = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sluice.h>

struct state {
#if STATE > 1
	char *name;
#endif
	unsigned long count;
};

static int
on_start(struct sl_service *service)
{
	struct state *state = calloc(1, sizeof(*state));

#if STATE > 1
	state->name = strdup("two");
#endif
	state->count = 100 * STATE;
	sl_set_service_data(service, state);
	sl_log(service, SL_LOG_INFO, "heir %d starts afresh", STATE);
	return 0;
}

static int
on_reload(struct sl_service *next, struct sl_service *prev)
{
	const unsigned long *one = sl_service_data(prev);
	struct state *state;

	sl_log(next, SL_LOG_INFO, "heir %d inherits from %u", STATE,
	    (unsigned int)sl_state_version(prev));
	if (on_start(next) == -1)
		return -1;
	state = sl_service_data(next);
	if (sl_state_version(prev) == 1)
		state->count = *one;
	else if (STATE == 1)
		abort();
	return 0;
}

static void
on_stop(struct sl_service *service)
{
	struct state *state = sl_service_data(service);

#if STATE > 1
	free(state->name);
#endif
	free(state);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	struct state *state = sl_service_data(sl_service(c));
	char text[64];

	(void)buf;
	if (memchr(buf, '!', len) != NULL)
		abort();
	snprintf(text, sizeof(text), "v%d %lu\n", STATE, ++state->count);
	sl_send(c, text, strlen(text));
	return (ssize_t)len;
}

SL_PLUGIN(.name = "heir", .version = "1", .flags = SL_UNLOADABLE,
    .state_version = STATE, .start = on_start, .reload = on_reload,
    .stop = on_stop, .server = SL_HANDLERS(.data = on_data));
"""


def heir(state):
    target = os.path.join(scratch(), "heir%d.so" % state)
    if not os.path.exists(target):
        compile_plugin(HEIR, target, STATE=state)
    return listener("heir", target)


def ask(s):
    s.sendall(b"x")
    return receive_line(s)


def daemon(**settings):
    return Daemon(heir(1), workers=2, control="control.sock", **settings)


def take(d, state):
    d.listeners[:] = [heir(state)]
    d.write_config()


def test_an_operator_goes_back():
    with daemon() as d:
        first = d.connect()
        equal(ask(first), "v1 101")
        take(d, 2)
        equal(d.reload_ready(), 2)
        d.wait_log("heir 2 inherits from 1")
        second = d.connect()
        equal(ask(second), "v2 102")
        since = d.mark()
        said = d.sluicectl("rollback")
        equal(said.returncode, 0, said.stderr)
        check(not d.log_lines("heir 1 inherits", since), "newer state")
        check(d.log_lines("heir 1 starts afresh", since), "no start")
        # New connections get the old code, and the others lose nothing.
        equal(ask(d.connect()), "v1 101")
        equal(ask(second), "v2 103")
        equal(ask(first), "v1 102")


def test_the_master_goes_back():
    with daemon(pairs=False) as d:
        take(d, 2)
        equal(d.reload_ready(), 2)
        since = d.mark()
        for count in range(1, 4):
            d.connect().sendall(b"!")
            d.wait_log("was killed by SIGABRT", since, count=count)
        d.wait_log(r"generation 3 ready \(as generation 1\)", since)
        equal(ask(d.connect()), "v1 101")
        equal(len(d.log_lines("was killed by SIGABRT", since)), 3)


def test_a_canary_goes_back():
    with daemon(pairs=False, canary={"workers": 1, "time": "60s"}) as d:
        take(d, 2)
        since = d.mark()
        d.signal(signal.SIGHUP)
        d.wait_log("canary: generation 2 serves", since)
        said = d.sluicectl("rollback")
        equal(said.returncode, 0, said.stderr)
        equal(ask(d.connect()), "v1 101")
        check(not d.log_lines("was killed", since), "a worker died")


def test_forward_again_it_is_asked():
    with daemon() as d:
        take(d, 2)
        equal(d.reload_ready(), 2)
        equal(d.sluicectl("rollback").returncode, 0)
        since = d.mark()
        equal(d.sluicectl("rollback").returncode, 0)    # to version 2
        check(d.log_lines("heir 2 inherits from 1", since), "not asked")
        wait_until(lambda: ask(d.connect()).startswith("v2 "), "version 2")
        equal(len([pid for pid in d.workers() if os.path.exists(
            "/proc/%d" % pid)]), 2)


main()

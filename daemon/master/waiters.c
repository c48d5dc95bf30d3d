/*
 * waiters.c: a small table.  A row is taken out before its owner is told, since
 * the owner may add or remove waiters from inside that call.
 */

#include "master/waiters.h"

int
waiters_add(struct waiters *waiters, const struct reload_waiter *waiter,
    enum wait what, bool inverse)
{
	if (waiters->count == RELOAD_WAITERS_MAX)
		return -1;
	waiters->row[waiters->count].waiter = *waiter;
	waiters->row[waiters->count].what = what;
	waiters->row[waiters->count].inverse = inverse;
	waiters->row[waiters->count].ended = false;
	waiters->count++;
	return 0;
}

void
waiters_begin(struct waiters *waiters, enum wait what)
{
	for (unsigned int i = 0; i < waiters->count; i++)
		if (waiters->row[i].what == what)
			waiters->row[i].what = WAIT_RUNNING;
}

/* The order is kept: whoever came first is told first. */
static void
take_out(struct waiters *waiters, unsigned int at)
{
	for (waiters->count--; at < waiters->count; at++)
		waiters->row[at] = waiters->row[at + 1];
}

/* The first that waits for what has ended; -1: none. */
static int
find_ended(const struct waiters *waiters)
{
	for (unsigned int i = 0; i < waiters->count; i++)
		if (waiters->row[i].ended)
			return (int)i;
	return -1;
}

void
waiters_tell(struct waiters *waiters, bool good, const char *text)
{
	struct reload_waiter waiter;
	bool inverse;
	int at;

	/* Not those that are added meanwhile: they wait for the next one. */
	for (unsigned int i = 0; i < waiters->count; i++)
		waiters->row[i].ended = waiters->row[i].what == WAIT_RUNNING;
	while ((at = find_ended(waiters)) != -1) {
		waiter = waiters->row[at].waiter;
		inverse = waiters->row[at].inverse;
		take_out(waiters, (unsigned int)at);
		waiter.on_verdict(waiter.arg, good != inverse, text);
	}
}

void
waiters_tell_all(struct waiters *waiters, const char *text)
{
	struct reload_waiter waiter;

	while (waiters->count > 0) {
		waiter = waiters->row[0].waiter;
		take_out(waiters, 0);
		waiter.on_verdict(waiter.arg, false, text);
	}
}

void
waiters_forget(struct waiters *waiters, const void *arg)
{
	unsigned int i = 0;

	while (i < waiters->count) {
		if (waiters->row[i].waiter.arg == arg)
			take_out(waiters, i);
		else
			i++;
	}
}

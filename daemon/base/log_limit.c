/*
 * log_limit.c: limits that have left something out are in a list, and one timer
 * looks at it when their second is over.
 */

#include "base/log_limit.h"

#include <event2/event.h>
#include <time.h>

/*
 * Into the next second: while lines keep coming, the first of them says how many
 * were left out, and no line is needed for that.
 */
#define GRACE_MS 50

static struct event *timer; /* NULL: there is no event loop */
static LIST_HEAD(, log_limit) waiting = LIST_HEAD_INITIALIZER(waiting);

static struct timespec
now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now;
}

static void
set_timer(void)
{
	long ms = 1000 - now().tv_nsec / 1000000 + GRACE_MS;
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };

	event_add(timer, &time);
}

static void
wait_for_sum(struct log_limit *limit)
{
	if (limit->waits || limit->sum_up == NULL || timer == NULL)
		return;
	if (LIST_EMPTY(&waiting))
		set_timer();
	limit->waits = true;
	LIST_INSERT_HEAD(&waiting, limit, link);
}

/* How many lines were left out; now nothing waits to be summed up. */
static uint32_t
take_skipped(struct log_limit *limit)
{
	uint32_t skipped = limit->skipped;

	if (limit->waits)
		LIST_REMOVE(limit, link);
	limit->waits = false;
	limit->skipped = 0;
	return skipped;
}

void
log_limit_done(struct log_limit *limit)
{
	uint32_t skipped = take_skipped(limit);

	if (skipped > 0 && limit->sum_up != NULL)
		limit->sum_up(limit, skipped);
}

bool
log_limit(struct log_limit *limit, uint32_t burst, uint32_t *ret_skipped)
{
	uint64_t second = (uint64_t)now().tv_sec;

	if (limit->second != second) {
		limit->second = second;
		limit->count = 0;
	}
	if (limit->count >= burst) {
		limit->skipped++;
		wait_for_sum(limit);
		return false;
	}
	limit->count++;
	if (ret_skipped != NULL)
		*ret_skipped = take_skipped(limit);
	else
		log_limit_done(limit);
	return true;
}

static void
log_limit_sum_cb(evutil_socket_t fd, short what, void *arg)
{
	uint64_t second = (uint64_t)now().tv_sec;
	struct log_limit *limit, *next;

	(void)fd;
	(void)what;
	(void)arg;
	for (limit = LIST_FIRST(&waiting); limit != NULL; limit = next) {
		next = LIST_NEXT(limit, link);
		if (limit->second != second)
			log_limit_done(limit);
	}
	if (!LIST_EMPTY(&waiting))
		set_timer();
}

int
log_limit_begin(struct event_base *base)
{
	timer = event_new(base, -1, 0, log_limit_sum_cb, NULL);
	return timer != NULL ? 0 : -1;
}

void
log_limit_end(void)
{
	while (!LIST_EMPTY(&waiting))
		log_limit_done(LIST_FIRST(&waiting));
	if (timer != NULL)
		event_free(timer);
	timer = NULL;
}

/*
 * timers.c: a binary heap of deadlines under one libevent timer.  An idle
 * timeout is not moved each time there is traffic.  Its owner remembers the
 * last activity, and sets the timer again when it runs out, once per timeout.
 */

#include "worker/timers.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#define EXPIRE_MAX 256 /* per pass, so that other events are served too */

struct timers {
	struct event *event;
	uint64_t (*clock)(void);
	struct timer **heap; /* 1..count */
	uint32_t count;
	uint32_t attached;
	uint32_t capacity;
	uint64_t armed_ms; /* when the event is due; 0: it is not set */
};

static void timers_cb(evutil_socket_t fd, short what, void *arg);

struct timers *
timers_new(struct event_base *base, uint64_t (*clock)(void))
{
	struct timers *timers = calloc(1, sizeof(*timers));

	if (timers == NULL)
		return NULL;
	timers->clock = clock;
	timers->event = evtimer_new(base, timers_cb, timers);
	if (timers->event == NULL) {
		free(timers);
		errno = ENOMEM;
		return NULL;
	}
	return timers;
}

void
timers_free(struct timers *timers)
{
	if (timers == NULL)
		return;
	event_free(timers->event);
	free(timers->heap);
	free(timers);
}

int
timers_attach(struct timers *timers, struct timer *timer,
    void (*on_expire)(struct timer *timer))
{
	if (timers->attached + 1 >= timers->capacity) {
		uint32_t capacity = timers->capacity * 2 + 64;
		struct timer **heap =
		    realloc(timers->heap, capacity * sizeof(*heap));

		if (heap == NULL)
			return -1;
		timers->heap = heap;
		timers->capacity = capacity;
	}
	timers->attached++;
	timer->on_expire = on_expire;
	timer->index = 0;
	return 0;
}

void
timers_detach(struct timers *timers, struct timer *timer)
{
	if (timer->on_expire == NULL)
		return;
	timers_cancel(timers, timer);
	timer->on_expire = NULL;
	timers->attached--;
}

static void
put(struct timers *timers, uint32_t i, struct timer *timer)
{
	timers->heap[i] = timer;
	timer->index = i;
}

/* Put `timer` into the hole at i, then move it up or down to its place. */
static void
settle(struct timers *timers, uint32_t i, struct timer *timer)
{
	struct timer **heap = timers->heap;

	while (i > 1 && heap[i / 2]->at_ms > timer->at_ms) {
		put(timers, i, heap[i / 2]);
		i /= 2;
	}
	for (;;) {
		uint32_t child = 2 * i;

		if (child > timers->count)
			break;
		if (child < timers->count &&
		    heap[child + 1]->at_ms < heap[child]->at_ms)
			child++;
		if (heap[child]->at_ms >= timer->at_ms)
			break;
		put(timers, i, heap[child]);
		i = child;
	}
	put(timers, i, timer);
}

static void
arm(struct timers *timers)
{
	struct timeval tv;
	uint64_t now, wait_ms;

	if (timers->count == 0) {
		if (timers->armed_ms != 0)
			event_del(timers->event);
		timers->armed_ms = 0;
		return;
	}
	/* An event that is too early costs only an empty call; leave it. */
	if (timers->armed_ms != 0 && timers->armed_ms <= timers->heap[1]->at_ms)
		return;
	now = timers->clock();
	timers->armed_ms = timers->heap[1]->at_ms;
	wait_ms = timers->armed_ms > now ? timers->armed_ms - now : 0;
	tv.tv_sec = wait_ms / 1000;
	tv.tv_usec = wait_ms % 1000 * 1000;
	if (event_add(timers->event, &tv) == -1)
		timers->armed_ms = 0; /* the next timers_set() tries again */
}

void
timers_set(struct timers *timers, struct timer *timer, uint64_t at_ms)
{
	uint32_t i = timer->index;

	if (i == 0)
		i = ++timers->count;
	timer->at_ms = at_ms;
	settle(timers, i, timer);
	arm(timers);
}

static void
take_out(struct timers *timers, struct timer *timer)
{
	struct timer *last = timers->heap[timers->count--];
	uint32_t i = timer->index;

	timer->index = 0;
	if (last != timer)
		settle(timers, i, last);
}

void
timers_cancel(struct timers *timers, struct timer *timer)
{
	if (timer->index == 0)
		return;
	take_out(timers, timer);
	arm(timers);
}

static void
timers_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timers *timers = arg;
	uint64_t now = timers->clock();
	unsigned int most = EXPIRE_MAX;

	(void)fd;
	(void)what;
	timers->armed_ms = 0;
	if (most > timers->count) /* one that is set meanwhile has to wait */
		most = timers->count;
	while (most-- > 0 && timers->count > 0 &&
	    timers->heap[1]->at_ms <= now &&
	    !event_base_got_break(event_get_base(timers->event))) {
		struct timer *timer = timers->heap[1];

		take_out(timers, timer);
		timer->on_expire(timer);
	}
	arm(timers);
}

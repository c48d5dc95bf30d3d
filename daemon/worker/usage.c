/*
 * usage.c: a timer that measures: by how much it comes late, and what the worker
 * takes; and it knows how long that takes.  It is a descriptor: while a timer of
 * libevent is set, each pass of the loop reads the clock for it, which is a
 * fifth of what a worker does for a small message.
 */

#include "worker/usage.h"

#include <event2/event.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "ipc/board.h"
#include "ipc/shm.h"
#include "worker/engine.h"
#include "worker/ours.h"

#define EVERY_NS UINT64_C(1000000000)
#define LAGS 60 /* a minute */
/*
 * mallinfo2() walks all free chunks, and before Linux 6.2 descriptors have to
 * be counted one by one, so a large worker measures less often: it spends at
 * most a thousandth of its time.
 */
#define MEASURE_SHARE 1000
#define MEASURE_MAX_NS (60 * EVERY_NS)

static int timer_fd = -1;
static struct event *event;

static void
show(void)
{
	struct board_usage *usage = &shm_own_row(engine.shm)->usage;
	const struct mallinfo2 info = mallinfo2();

	atomic_store_explicit(&usage->heap, info.uordblks + info.hblkhd,
	    memory_order_relaxed);
	atomic_store_explicit(&usage->descriptors, descriptors_open(),
	    memory_order_relaxed);
	atomic_store_explicit(&usage->descriptors_max, descriptors_max(),
	    memory_order_relaxed);
}

/* Returns how long to wait for the next time. */
static uint64_t
measure(void)
{
	uint64_t begun = clock_ns(), wait;

	show();
	wait = (clock_ns() - begun) * MEASURE_SHARE;
	return wait < MEASURE_MAX_NS ? wait : MEASURE_MAX_NS;
}

static uint64_t lags[LAGS], due, measure_at;
static unsigned int lag_next;

/* The loop comes so late to something that was due. */
static void
note_lag(uint64_t lag)
{
	struct board_lag *board = &shm_own_row(engine.shm)->lag;
	uint64_t most = 0;

	lags[lag_next++ % LAGS] = lag;
	for (unsigned int i = 0; i < LAGS; i++)
		if (lags[i] > most)
			most = lags[i];
	atomic_store_explicit(&board->last_ns, lag, memory_order_relaxed);
	atomic_store_explicit(&board->most_ns, most, memory_order_relaxed);
}

/* The next look is a second from now.  0 or -1. */
static int
set_timer(void)
{
	struct itimerspec when = { 0 };

	due = clock_ns() + EVERY_NS;
	when.it_value.tv_sec = (time_t)(due / 1000000000);
	when.it_value.tv_nsec = (long)(due % 1000000000);
	atomic_store_explicit(&shm_own_row(engine.shm)->lag.due_ns, due,
	    memory_order_relaxed);
	/* It also makes it unreadable again. */
	return timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
usage_cb(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now = clock_ns();

	(void)fd;
	(void)what;
	(void)arg;
	note_lag(now > due ? now - due : 0);
	if (now >= measure_at)
		measure_at = now + measure();
	set_timer();
}

int
usage_init(void)
{
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer_fd == -1)
		return -1;
	ours_add(timer_fd);
	event = event_new(engine.base, timer_fd, EV_READ | EV_PERSIST, usage_cb,
	    NULL);
	if (event == NULL || event_add(event, NULL) == -1 ||
	    set_timer() == -1) {
		usage_done();
		return -1;
	}
	measure_at = clock_ns() + measure();
	return 0;
}

void
usage_done(void)
{
	if (event != NULL)
		event_free(event);
	event = NULL;
	if (timer_fd != -1)
		ours_close(timer_fd);
	timer_fd = -1;
}

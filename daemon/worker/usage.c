/*
 * usage.c: a timer that measures, and knows how long that takes.  It is a
 * descriptor: while a timer of libevent is set, each pass of the loop reads the
 * clock for it, which is a fifth of what a worker does for a small message.
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

#define EVERY_MS 1000
/*
 * mallinfo2() walks all free chunks, and before Linux 6.2 descriptors have to
 * be counted one by one, so a large worker measures less often: it spends at
 * most a thousandth of its time.
 */
#define MEASURE_SHARE 1000
#define EVERY_MAX_MS 60000

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

/* Measure, and set the timer.  0 or -1. */
static int
measure(void)
{
	uint64_t begun_ns = clock_ns(), wait_ms;
	struct itimerspec when = { 0 };

	show();
	wait_ms = (clock_ns() - begun_ns) * MEASURE_SHARE / 1000000;
	if (wait_ms < EVERY_MS)
		wait_ms = EVERY_MS;
	if (wait_ms > EVERY_MAX_MS)
		wait_ms = EVERY_MAX_MS;
	when.it_value.tv_sec = (time_t)(wait_ms / 1000);
	when.it_value.tv_nsec = (long)(wait_ms % 1000) * 1000000;
	return timerfd_settime(timer_fd, 0, &when, NULL);
}

static void
usage_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	measure(); /* which also makes it unreadable again */
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
	if (event == NULL || event_add(event, NULL) == -1 || measure() == -1) {
		usage_done();
		return -1;
	}
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

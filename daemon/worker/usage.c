/* usage.c: a timer that measures, and knows how long that takes. */

#include "worker/usage.h"

#include <malloc.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "ipc/board.h"
#include "ipc/shm.h"
#include "worker/engine.h"
#include "worker/timers.h"

#define EVERY_MS 1000
/*
 * mallinfo2() walks all free chunks, and before Linux 6.2 descriptors have to
 * be counted one by one, so a large worker measures less often: it spends at
 * most a thousandth of its time.
 */
#define MEASURE_SHARE 1000
#define EVERY_MAX_MS 60000

static struct timer timer;

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

static void
on_expire(struct timer *expired)
{
	uint64_t begun_ns = clock_ns(), wait_ms;

	show();
	wait_ms = (clock_ns() - begun_ns) * MEASURE_SHARE / 1000000;
	if (wait_ms < EVERY_MS)
		wait_ms = EVERY_MS;
	if (wait_ms > EVERY_MAX_MS)
		wait_ms = EVERY_MAX_MS;
	timers_set(engine.timers, expired, engine_now() + wait_ms);
}

int
usage_init(void)
{
	if (timers_attach(engine.timers, &timer, on_expire) == -1)
		return -1;
	on_expire(&timer);
	return 0;
}

void
usage_done(void)
{
	timers_detach(engine.timers, &timer);
}

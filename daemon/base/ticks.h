/*
 * ticks.h: a clock that takes a few instructions to read.  It measures
 * callbacks, and is read twice for each.  Ticks have a constant rate, the same
 * in all processes, on processors since 2008.  The rate is found by comparing
 * ticks with the monotonic clock.
 */

#ifndef SLUICE_TICKS_H
#define SLUICE_TICKS_H

#include <stdint.h>

#include "base/clock.h"

__extension__ typedef unsigned __int128 ticks_wide;

static inline uint64_t
ticks_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return clock_ns();
#endif
}

/* One moment by both clocks. */
struct ticks_mark {
	uint64_t ticks, ns;
};
void ticks_mark(struct ticks_mark *ret_mark);

/*
 * Half microseconds for each tick since the mark, times 2^64: the more time has
 * passed, the more exact.  Waits until a millisecond has passed.
 */
uint64_t ticks_measure(const struct ticks_mark *since);

static inline uint64_t
ticks_half_us(uint64_t ticks, uint64_t scale)
{
	return (uint64_t)((ticks_wide)ticks * scale >> 64);
}

/* How many ticks take so long; at most TICKS_MAX. */
#define TICKS_MAX ((uint64_t)INT64_MAX)
static inline uint64_t
ticks_of_ms(uint32_t ms, uint64_t scale)
{
	ticks_wide ticks = TICKS_MAX;

	if (scale != 0)
		ticks = ((ticks_wide)ms * 2000 << 64) / scale;
	return ticks < TICKS_MAX ? (uint64_t)ticks : TICKS_MAX;
}

#endif

/* ticks.c: how long a tick is. */

#include "base/ticks.h"

#define BASE_NS 1000000 /* at least; then the error is below 1/1000 */
#define TRIES 5		/* the quickest counts */

void
ticks_mark(struct ticks_mark *ret_mark)
{
	uint64_t before, ns, took, least = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		before = ticks_now();
		ns = clock_ns();
		took = ticks_now() - before;
		if (took >= least)
			continue;
		least = took;
		ret_mark->ticks = before + took / 2;
		ret_mark->ns = ns;
	}
}

uint64_t
ticks_measure(const struct ticks_mark *since)
{
	struct ticks_mark now;
	ticks_wide scale;

	do
		ticks_mark(&now);
	while (now.ns - since->ns < BASE_NS);
	if (now.ticks <= since->ticks)
		return 1; /* the clock is useless: everything takes 0 */
	scale = ((ticks_wide)(now.ns - since->ns) << 64) /
	    ((ticks_wide)(now.ticks - since->ticks) * 500);
	return scale > UINT64_MAX ? UINT64_MAX : (uint64_t)scale;
}

/*
 * timers.h: all timers of a worker in one heap, driven by one libevent timer.
 * Attaching a timer makes room for it in the heap, so that setting it never
 * fails.
 */

#ifndef SLUICE_TIMERS_H
#define SLUICE_TIMERS_H

#include <stdint.h>

struct event_base;
struct timers;

struct timer {
	void (*on_expire)(struct timer *timer);
	uint64_t at_ms; /* monotonic */
	uint32_t index; /* place in the heap, from 1; 0: not set */
};

/* clock returns monotonic milliseconds.  NULL: ENOMEM. */
struct timers *timers_new(struct event_base *base, uint64_t (*clock)(void));
void timers_free(struct timers *timers);

/* Make room for one more timer.  Returns 0, or -1 with ENOMEM. */
int timers_attach(struct timers *timers, struct timer *timer,
    void (*on_expire)(struct timer *timer));
/* Safe on a timer that was never attached (all zero). */
void timers_detach(struct timers *timers, struct timer *timer);

/* Set or move it.  It is no longer set when on_expire is called. */
void timers_set(struct timers *timers, struct timer *timer, uint64_t at_ms);
void timers_cancel(struct timers *timers, struct timer *timer);

#endif

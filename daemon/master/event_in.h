/* event_in.h: an event some time from now. */

#ifndef SLUICE_MASTER_EVENT_IN_H
#define SLUICE_MASTER_EVENT_IN_H

#include <event2/event.h>
#include <stdint.h>
#include <sys/time.h>

/* As event_add(), in ms. */
static inline int
event_in(struct event *event, uint64_t ms)
{
	const struct timeval when = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000) * 1000 };

	return event_add(event, &when);
}

#endif

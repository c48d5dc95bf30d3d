/*
 * history.h: how much went through each listener and connector in the last
 * minutes: a few numbers each, in as much memory as these take.
 */

#ifndef SLUICE_STATUS_HISTORY_H
#define SLUICE_STATUS_HISTORY_H

#include <jansson.h>
#include <stdint.h>

#define HISTORY_POINTS 60 /* NEWS_POLL_MS apart: 5 minutes */

/* Per second. */
struct history_point {
	float accepted, in, out;
};

struct history {
	uint64_t accepted, in, out; /* counts at the last point */
	unsigned int count;	    /* points, at most HISTORY_POINTS */
	unsigned int next;	    /* where the next one goes */
	struct history_point point[HISTORY_POINTS];
};

/*
 * Note a point of each listener and connector in this answer to `status`, and
 * forget those that are gone.
 */
void history_note(const json_t *status, uint64_t now_ms);

/* NULL: nothing is known of it yet.  Borrowed until the next point. */
const struct history *history_of(const char *name);

/* Number 0 is the oldest. */
const struct history_point *history_at(const struct history *history,
    unsigned int number);

void history_forget(void);

#endif

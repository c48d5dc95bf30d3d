/*
 * pacer.h: what the connections of a listener share of one direction: its rate,
 * and the line of those that wait for it.  The rate holds for all workers
 * together: each sees by the shared counts what the others have moved, and lets
 * its own bucket run over by it.
 */

#ifndef SLUICE_PACER_H
#define SLUICE_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/settings.h"
#include "worker/bucket.h"
#include "worker/timers.h"

struct endpoint;

/* One that waits in line; part of what it waits for. */
struct pace_place {
	TAILQ_ENTRY(pace_place) link;
	bool waits;
	uint64_t share; /* bytes that were kept for it in that round */
	uint32_t round;
	void (*on_turn)(struct pace_place *place);
};

struct pacer {
	bool on; /* there is a rate, of each connection or of all together */
	enum pace direction;
	bool begun;    /* `seen` is known */
	uint64_t seen; /* bytes that all workers had moved when last asked */
	struct bucket bucket;
	TAILQ_HEAD(, pace_place) line;
	uint32_t waiting; /* in line */
	uint32_t round;	  /* how often room was divided among those in line */
	uint64_t kept;	  /* bytes of the last round that are not used yet */
	struct timer timer;
	const struct endpoint *endpoint;
};

/* 0, or -1 with ENOMEM. */
int pacer_init(struct pacer *pacer, const struct endpoint *endpoint,
    enum pace direction);
/* The limits of the endpoint have changed. */
void pacer_configure(struct pacer *pacer);
/* Nobody is in line any more. */
void pacer_done(struct pacer *pacer);

/*
 * How many of `most` bytes may move now?  0: none; the place is in line, and
 * on_turn will be called from a timer.
 */
size_t pacer_room(struct pacer *pacer, struct pace_place *place, size_t most);
/* They have moved. */
void pacer_add(struct pacer *pacer, struct pace_place *place, size_t bytes);
/* Do not wait any more. */
void pacer_leave(struct pacer *pacer, struct pace_place *place);

#endif

/*
 * census.h: asking all workers at once what they serve.  Whoever has not
 * answered in time is left out: a slow worker holds up nobody.
 */

#ifndef SLUICE_MASTER_CENSUS_H
#define SLUICE_MASTER_CENSUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/msg.h"

struct census;
struct event_base;
struct worker_row;
struct workers;

#define CENSUS_MS 200

enum census_state {
	CENSUS_DOWN,	 /* there is no process to ask */
	CENSUS_ASKED,	 /* did not answer in time */
	CENSUS_ANSWERED, /* its rows are whole */
};

struct census_worker {
	enum census_state state;
	uint32_t count;
	struct status_row *rows;
};

/*
 * Of one who waits: on_census comes once, and never from inside census_ask().
 */
struct census_asker {
	TAILQ_ENTRY(census_asker) link;
	/* For each worker, borrowed. */
	void (*on_census)(void *arg, const struct census_worker *workers,
	    uint32_t count);
	void *arg;
};

/* For so many workers; NULL: no memory. */
struct census *census_new(struct event_base *base, struct workers *workers);
void census_free(struct census *census); /* NULL is fine; nobody is told */

/* The asker is borrowed until its on_census or census_forget(). */
void census_ask(struct census *census, struct census_asker *asker);
void census_forget(struct census *census, struct census_asker *asker);

/* From worker_talk.c: returns false when it broke the rules. */
bool census_on_reply(struct census *census, struct worker_row *worker,
    const struct msg *msg);
/* From worker_life.c: it will not answer any more. */
void census_on_gone(struct census *census, struct worker_row *worker);

#endif

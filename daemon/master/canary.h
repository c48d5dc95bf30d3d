/* canary.h: compares the workers that try a new generation with the others. */

#ifndef SLUICE_MASTER_CANARY_H
#define SLUICE_MASTER_CANARY_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"
#include "ipc/shm.h"

struct gen;

/* With fewer ended connections than this, rates are not compared. */
#define CANARY_SAMPLE 10

struct canary_counts {
	uint64_t closed, failed;
};

struct canary {
	uint32_t size; /* workers below this try it; 0: there is no canary */
	uint64_t until_ms;
	unsigned int errors; /* per cent above the others */
	/* Slots of connectors in one worker: no other can be compared. */
	bool lonely[LISTENERS_MAX];
	uint32_t place[WORKERS_MAX]; /* of the counts of each worker */
	struct canary_counts start[WORKERS_MAX];
};

/*
 * How many workers should try `next` first?  0: all change at once; *ret_why is
 * then the reason, or NULL when the settings want no canary.
 */
uint32_t canary_size(const struct gen *committed, const struct gen *next,
    const char **ret_why);

/*
 * The trial begins: what is counted from now on is compared, at the places in
 * canary->place, which the caller has set.  workers: those of the first group,
 * which has the workers that try it.
 */
void canary_begin(struct canary *canary, struct shm *shm, uint32_t workers,
    const struct gen *next);

/* Has its time passed? */
bool canary_over(const struct canary *canary);

/* Do too many connections fail?  Then text says how many. */
bool canary_fails(const struct canary *canary, struct shm *shm,
    uint32_t workers, char text[160]);

#endif

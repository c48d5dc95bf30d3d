/*
 * connectors.h: how each connector of a worker is doing.  The state is in the
 * worker's row of the shared memory, so the master can read it at any time, and
 * when the process is dead there is none.
 */

#ifndef SLUICE_CONNECTORS_H
#define SLUICE_CONNECTORS_H

#include <stdbool.h>
#include <stdint.h>

struct shm;

enum connector_phase {
	CONNECTOR_NONE,	   /* this worker has no such connector */
	CONNECTOR_WAITING, /* for the next attempt */
	CONNECTOR_CONNECTING,
	CONNECTOR_UP,
	CONNECTOR_STOPPED, /* by its plugin, or as the worker ends */
	CONNECTOR_PHASES
};

/* "waiting"; out of range reads as "none". */
const char *connector_phase_name(unsigned int phase);

#define CONNECTOR_ERROR_MAX 160 /* with its NUL; more is cut */

struct connector_state {
	uint32_t phase;
	uint32_t
	    attempts; /* since it was last up, with the one that succeeded */
	/* Monotonic milliseconds: when it was last made or lost; the next try. */
	uint64_t since_ms, next_ms;
	char error[CONNECTOR_ERROR_MAX]; /* the last one; "": none so far */
};

/* Worker: show the state of the connector in that slot. */
void connector_show(struct shm *shm, unsigned int slot,
    const struct connector_state *state);

/*
 * Master: what a worker shows, which is untrusted, except that the phase is in
 * range and the text has an end.  Returns false if it shows nothing.
 */
bool connector_see(const struct shm *shm, unsigned int worker,
    unsigned int slot, struct connector_state *ret_state);

#endif

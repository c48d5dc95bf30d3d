/*
 * upstreams.h: what the plugins of a worker connect to with sl_connect(), and
 * how that goes.  Each peer of a listener has a place in the worker's row of the
 * shared memory, under the name that the plugin connects to.
 */

#ifndef SLUICE_UPSTREAMS_H
#define SLUICE_UPSTREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shm;

#define UPSTREAMS_MAX 256	 /* of one worker; more are not shown */
#define UPSTREAMS_SHOWN_MAX 1024 /* of all workers together */
#define UPSTREAM_NAME_MAX 264	 /* "HOST:PORT", with its NUL; more is cut */
#define UPSTREAM_ERROR_MAX 160	 /* with its NUL; more is cut */

enum upstream_phase {
	UPSTREAM_NONE, /* no connection has been made or has failed yet */
	UPSTREAM_UP,   /* the last one was made */
	UPSTREAM_DOWN, /* the last one could not be made */
	UPSTREAM_PHASES
};

/* "up"; NONE and what is out of range read as "new". */
const char *upstream_phase_name(unsigned int phase);

struct upstream_state {
	uint32_t slot; /* of the listener */
	uint32_t phase;
	uint64_t generation; /* of the service that connected there last */
	/* Monotonic milliseconds: when it became up or down; the last attempt. */
	uint64_t since_ms, tried_ms;
	/* Since the worker began. */
	uint64_t attempts, connected, failed;
	uint32_t connecting, connections; /* now */
	uint32_t in_a_row;		  /* failures */
	char name[UPSTREAM_NAME_MAX];
	char error[UPSTREAM_ERROR_MAX]; /* the last one; "": none so far */
};

/* A hash of the listener and the name. */
uint64_t upstream_key(uint32_t slot, const char *name);

/* Worker: show it in one of its UPSTREAMS_MAX places. */
void upstream_show(struct shm *shm, unsigned int place,
    const struct upstream_state *state);
/*
 * Worker: is what it shows there of a listener that is no more?  Then nobody
 * sees it.
 */
bool upstream_is_void(const struct shm *shm, unsigned int place);

/* Of all workers together. */
struct upstream_sum {
	struct upstream_state state; /* the phase is that of the last attempt */
	uint64_t key;
	uint32_t tenancy; /* of those that are kept of dead processes */
	bool shown;	  /* it is up to date in some worker */
	int32_t next;	  /* of the same listener, or -1 */
};

struct upstream_list {
	struct upstream_sum *sums;
	size_t count, room;
	int32_t *first; /* by slot, or -1 */
};

/*
 * Master: add up what all workers show, also what dead ones have counted, at
 * this time by clock_ms().  Workers are not trusted; only names and errors have
 * an end, and phases and slots are in range.  0, or -1: no memory.  The list
 * has to be freed either way.
 */
int upstreams_sum(const struct shm *shm, uint64_t now_ms,
    struct upstream_list *ret_list);
void upstreams_free(struct upstream_list *list);

/* The first one of a listener to show, and the next; NULL: there is none. */
const struct upstream_state *upstreams_first(const struct upstream_list *list,
    unsigned int slot, int32_t *ret_at);
const struct upstream_state *upstreams_next(const struct upstream_list *list,
    int32_t *at);

/* Master: the process is dead.  What it has counted stays in the sums. */
void upstreams_retire(struct shm *shm, unsigned int worker);

#endif

/*
 * versions.h: which versions of its listeners a worker serves, and how many
 * connections each of them has.  The table is in the worker's row of the shared
 * memory, so the master can read it at any time, whatever the worker does.
 */

#ifndef SLUICE_VERSIONS_H
#define SLUICE_VERSIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct shm;

struct version {
	_Atomic uint64_t code; /* see board_code(); 0: this place is free */
	_Atomic uint32_t connections;
	_Atomic uint32_t use; /* enum version_use */
};

enum version_use {
	VERSION_LEAVES,	 /* its connections move to another, or are closed */
	VERSION_CURRENT, /* the committed generation serves it */
	VERSION_STAYS,	 /* its connections stay on it until they end */
};

/*
 * Worker: show a version, current and without connections, until
 * version_remove().  NULL: there is no place left, and version_add() counts
 * that.
 */
struct version *version_add(struct shm *shm, uint64_t code);
void version_remove(struct shm *shm, struct version *version);

/* Worker: add to its connections; nobody else writes them. */
static inline void
version_count(struct version *version, int more)
{
	atomic_store_explicit(&version->connections,
	    atomic_load_explicit(&version->connections, memory_order_relaxed) +
		(uint32_t)more,
	    memory_order_relaxed);
}

/* Master: what a worker shows, which is untrusted. */
struct version_seen {
	uint32_t generation;
	uint32_t slot; /* below LISTENERS_MAX; perhaps of no listener */
	uint32_t connections;
	bool current;
	bool stays; /* VERSION_STAYS */
};

/*
 * The next version from *at on; *at is moved past it, and begins with 0.
 * Returns false at the end.
 */
bool version_next(const struct shm *shm, unsigned int worker, uint32_t *at,
    struct version_seen *ret_seen);
/* Did all of the versions find a place? */
bool versions_whole(const struct shm *shm, unsigned int worker);

#endif

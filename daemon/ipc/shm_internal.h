/*
 * shm_internal.h: what is in the shared memory, for the shm files,
 * versions.c, connectors.c and upstreams.c.
 */

#ifndef SLUICE_SHM_INTERNAL_H
#define SLUICE_SHM_INTERNAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"
#include "ipc/board.h"
#include "ipc/connectors.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "ipc/upstreams.h"
#include "ipc/versions.h"

#define SHM_PAGE 4096
#define SHM_BUCKETS 4096 /* per worker */
#define SHM_RATE_BUCKET_SIZE 16
#define SHM_BUCKET_SIZE 64 /* entries per bucket: 1 KiB to look through */
#define VERSIONS_MAX 8192  /* of all listeners; more are not shown */

/* The master writes it, all workers read it. */
struct shm_head {
	_Alignas(SHM_PAGE) uint64_t secret[2]; /* of the hash of addresses */
	/* Goes up with each change of the two below it. */
	_Atomic uint32_t changes;
	_Atomic uint32_t shown[SHM_PLACES_MAX]; /* the last row that counts */
	/* The last row that no longer counts. */
	_Atomic uint32_t ended[SHM_PLACES_MAX];
	_Atomic uint64_t offer[SHM_PLACES_MAX]; /* first id of a block */
	_Atomic uint32_t bell[SHM_PLACES_MAX];	/* how often it has rung */
	_Atomic uint32_t given[SHM_PLACES_MAX][LISTENERS_MAX / 32];
	/*
	 * How many listeners have had the slot before the present one.  Counts
	 * with another number were made for one of those.
	 */
	_Atomic uint32_t tenancy[LISTENERS_MAX];
	_Atomic uint64_t tick_scale; /* see ticks.h */
};

struct address_entry {
	_Atomic uint64_t key;
	_Atomic uint32_t count;
};

/* How many connections of an address came: see shm_rate.c. */
struct rate_entry {
	_Atomic uint64_t key;
	_Atomic uint64_t window;
};

/* Of one connector. */
struct connector_place {
	_Atomic uint32_t changes; /* odd while it is being written */
	uint32_t tenancy;	  /* of the slot, as in struct counts */
	struct connector_state state;
};

/* Of one upstream. */
struct upstream_place {
	_Atomic uint32_t changes; /* odd while it is being written */
	uint32_t tenancy;	  /* of the slot, as in struct counts */
	struct upstream_state state;
};

/* A worker writes it, all others read it. */
struct shm_row {
	_Alignas(SHM_PAGE) struct board_row board;
	_Atomic uint64_t taken; /* the offer that it uses */
	_Atomic uint32_t connections[LISTENERS_MAX];
	_Atomic uint32_t versions_end;	/* those from here on were never used */
	_Atomic uint32_t versions_lost; /* 1: some found no place */
	struct version versions[VERSIONS_MAX];
	struct address_entry addresses[SHM_BUCKETS][SHM_BUCKET_SIZE];
	_Atomic uint64_t rates[LISTENERS_MAX]; /* windows of shm_rate.c */
	struct rate_entry address_rates[SHM_BUCKETS][SHM_RATE_BUCKET_SIZE];
	struct counts counts[LISTENERS_MAX];
	/* Apart from `counts`, as most plugins have none. */
	struct counter counters[LISTENERS_MAX][COUNTERS_MAX];
	struct connector_place connectors[LISTENERS_MAX];
	_Atomic uint32_t upstreams_end; /* those from here on were never used */
	struct upstream_place upstreams[UPSTREAMS_MAX];
};

struct shm {
	struct shm_head *head;
	int head_fd; /* master */
	unsigned int workers;
	/* The workers from here on have never had a row here. */
	unsigned int used;
	unsigned int own; /* a worker's; the master has none: `workers` */
	struct shm_row *own_row;
	uint32_t changes;	/* those of the head when all rows were here */
	uint64_t id, ids_end;	/* the next one, and the end of its block */
	uint32_t version_hint;	/* a worker's: no version is free below it */
	uint64_t offered;	/* master: the first id that nobody was given */
	struct ticks_mark mark; /* master: when it began */
	struct counts_sum *retired; /* master: of dead processes, by slot */
	struct upstream_list retired_upstreams;
	struct shm_view {
		struct shm_row *row; /* NULL: nothing to count */
		uint32_t serial;
		int fd; /* master */
	} view[];
};

/* shm_count.c.  NULL: the worker has no row, or was never given the slot. */
struct shm_row *shm_row_for(const struct shm *shm, unsigned int worker,
    unsigned int slot);
/* The key of a peer of a listener.  false: such a peer is never limited. */
bool shm_peer_key(const struct shm *shm, unsigned int slot,
    const struct sockaddr *peer, uint64_t *ret_key);

/* shm_sum.c, for shm.c: add what a process has counted to `retired`. */
void shm_retire(struct shm *shm, unsigned int worker);
/* The slot is another listener's from now on. */
void shm_begin_tenancy(struct shm *shm, unsigned int slot);

#endif

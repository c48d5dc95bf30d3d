/*
 * shm.h: memory that the master and the workers share: what each worker shows
 * of itself, and the counts that make a listener's limits hold for all of them
 * together.
 *
 * Each process of a worker has a row of its own, which it alone can write: it
 * maps the row and then seals it against all others, before it runs any plugin
 * code.  The next process of the worker gets a new row, so a process that the
 * last one left behind writes to a row that no longer counts.  The head is
 * written by the master alone: it says which rows count, and in which slots.
 */

#ifndef SLUICE_SHM_H
#define SLUICE_SHM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/settings.h"

/* Rows; a worker has one, and a process that was replaced keeps its own. */
#define SHM_PLACES_MAX 768
/* Connection ids that a worker is given at a time. */
#define SHM_ID_BLOCK 1000000

struct board_row;
struct counter;
struct counts;
struct counts_sum;
struct shm;

/* The master's; without rows.  NULL: errno. */
struct shm *shm_new(unsigned int workers);
/*
 * A worker's: the head, to read, and its own row, to write and to seal.  The
 * descriptors are borrowed.  NULL: errno.
 */
struct shm *shm_map(unsigned int workers, int head, unsigned int own, int row);
void shm_free(struct shm *shm);

/* Master.  The descriptor of the head, borrowed. */
int shm_head_fd(const struct shm *shm);
/* A new row for the next process of a worker.  0, or -1 with errno. */
int shm_begin_row(struct shm *shm, unsigned int worker);
/*
 * Its descriptor, borrowed until shm_end_row(), and its number among rows of
 * this worker.
 */
int shm_row_fd(const struct shm *shm, unsigned int worker,
    uint32_t *ret_serial);
/* Has its owner sealed it, so that others may have the descriptor? */
bool shm_row_sealed(const struct shm *shm, unsigned int worker);
/*
 * The row was sent to all other workers.  It counts from now on, and a worker
 * that does not have it accepts no connections.
 */
void shm_show_row(struct shm *shm, unsigned int worker);
/*
 * The process is dead: its connections no longer count.  The rest of its counts
 * stays in the sums.
 */
void shm_end_row(struct shm *shm, unsigned int worker);
/* A worker counts in those slots that it was given, and in no others. */
void shm_give_slot(struct shm *shm, unsigned int worker, unsigned int slot);
bool shm_slot_given(const struct shm *shm, unsigned int worker,
    unsigned int slot);
/*
 * The slot is for another listener now: forget which workers were given it, and
 * what was counted there.
 */
void shm_take_slot(struct shm *shm, unsigned int slot);
/*
 * Ring for a worker: it was sent a message, and looks at it after its callback.
 */
void shm_ring(struct shm *shm, unsigned int worker);
/*
 * The first id that no process was offered, and the same of the program before
 * us: ids are not given twice.
 */
uint64_t shm_ids_given(const struct shm *shm);
void shm_skip_ids(struct shm *shm, uint64_t first);
/* Master: a listener begins with what was counted for it before us. */
void shm_begin_with(struct shm *shm, unsigned int slot,
    const struct counts_sum *sum);
/* Offer ids to the workers that have begun to use their last offer. */
void shm_offer_ids(struct shm *shm);

/*
 * Worker.  The row of another one; the descriptor is borrowed.  Returns 0, or
 * -1 with errno: then the counts of the other worker are not known here.
 */
int shm_see_row(struct shm *shm, unsigned int worker, uint32_t serial, int fd);
/*
 * Are all rows that count here, and is there an id for a connection?  If not,
 * what is missing is on its way from the master.
 */
bool shm_ready(struct shm *shm);

/* Worker: the next connection id, from 1, never repeated; 0: there is none. */
uint64_t shm_next_id(struct shm *shm);

/*
 * Worker: count a connection in, if `slot` has fewer than `limit` (0: no limit)
 * in all workers.  Returns false when it is full.
 */
bool shm_connection_in(struct shm *shm, unsigned int slot, uint64_t limit);
void shm_connection_out(struct shm *shm, unsigned int slot);
/* In all workers. */
uint64_t shm_connections(const struct shm *shm, unsigned int slot);
/* Of all slots. */
uint64_t shm_worker_connections(const struct shm *shm, unsigned int worker);

/*
 * Worker: the same for one peer address of a listener; IPv6 counts by /64; unix
 * peers are never limited.  Returns false when the address has `limit` already.
 * *ret_entry is what shm_address_out() wants; (uint32_t)-1: not counted.
 */
bool shm_address_in(struct shm *shm, unsigned int slot,
    const struct sockaddr *peer, uint64_t limit, uint32_t *ret_entry);
void shm_address_out(struct shm *shm, uint32_t entry);

/*
 * Worker: count a connection in that comes now, if fewer than `limit` (1 to
 * SHM_RATE_MAX) were counted in the last second in all workers; of the listener,
 * or of the peer's address there.  Returns false when that is reached.  now_ms:
 * CLOCK_MONOTONIC, the same for all workers.
 */
#define SHM_RATE_MAX 1000000
bool shm_rate_in(struct shm *shm, unsigned int slot, uint64_t limit,
    uint64_t now_ms);
bool shm_address_rate_in(struct shm *shm, unsigned int slot,
    const struct sockaddr *peer, uint64_t limit, uint64_t now_ms);

/*
 * Worker: where it counts for the listener in the slot, and its plugin's own
 * counters (COUNTERS_MAX of them).  All zero, unless this process has counted
 * for that listener before.
 */
struct counts *shm_own_counts(struct shm *shm, unsigned int slot,
    struct counter **ret_counters);
/*
 * Worker: bytes that connections of the listener with a rate have moved, in all
 * workers that are alive.
 */
uint64_t shm_paced(const struct shm *shm, unsigned int slot,
    enum pace direction);
/* And the latest of what these say in pace_until_us. */
uint64_t shm_pace_until_us(const struct shm *shm, unsigned int slot,
    enum pace direction);
/*
 * Master: what all workers, also dead ones, have counted for a listener since
 * it came; and what a worker has counted for all listeners since its process
 * began.
 */
void shm_sum_listener(const struct shm *shm, unsigned int slot,
    struct counts_sum *ret_sum);
void shm_sum_worker(const struct shm *shm, unsigned int worker,
    struct counts_sum *ret_sum);
/* Add what the present process of a worker has counted for one listener. */
void shm_add_counts(const struct shm *shm, unsigned int worker,
    unsigned int slot, struct counts_sum *sum);
/* How long a tick of COUNT_CALLBACK_TICKS is, see ticks.h. */
uint64_t shm_tick_scale(const struct shm *shm);

/* What a worker shows of itself, see board.h; an empty row when it is dead. */
const struct board_row *shm_row(const struct shm *shm, unsigned int worker);
/* Worker: how often the master has rung for it. */
const _Atomic uint32_t *shm_bell(const struct shm *shm);
/* Worker: its own. */
struct board_row *shm_own_row(struct shm *shm);

#endif

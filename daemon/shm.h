/*
 * shm.h: memory that the master and all workers map: connection ids, and the
 * counts that make a listener's limits hold for all workers together.  A
 * worker's counts are written by that worker alone; after its death the master
 * clears them.
 */

#ifndef SLUICE_SHM_H
#define SLUICE_SHM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define SHM_LISTENERS_MAX 1024	/* listener slots; more listeners are refused */
#define SHM_WORKERS_MAX 256

struct board_row;
struct shm;

/* Master: make it.  Returns a mapping and its memfd, or NULL with errno. */
struct shm *shm_new(unsigned int workers, int *ret_fd);
/* Worker: map it.  NULL: errno. */
struct shm *shm_map(int fd, unsigned int workers);
void shm_unmap(struct shm *shm);

/* The next connection id of the whole daemon; from 1, never repeated. */
uint64_t shm_next_id(struct shm *shm);

/*
 * Count a connection of `worker` in, if `slot` has fewer than `limit`
 * (0: no limit) in all workers.  Returns false when it is full.
 */
bool shm_connection_in(struct shm *shm, unsigned int worker, unsigned int slot, uint64_t limit);
void shm_connection_out(struct shm *shm, unsigned int worker, unsigned int slot);
uint64_t shm_connections(struct shm *shm, unsigned int slot); /* in all workers */
uint64_t shm_worker_connections(struct shm *shm, unsigned int worker); /* of all slots */

/*
 * The same for one peer address of a listener; IPv6 counts by /64; unix peers
 * are never limited.  Returns false when the address has `limit` already.
 * *ret_entry is what shm_address_out() wants; (uint32_t)-1: not counted.
 */
bool shm_address_in(struct shm *shm, unsigned int worker, unsigned int slot, const struct sockaddr *peer, uint64_t limit, uint32_t *ret_entry);
void shm_address_out(struct shm *shm, unsigned int worker, uint32_t entry);

/* What the worker shows of itself; see board.h. */
struct board_row *shm_row(struct shm *shm, unsigned int worker);

/* Master, after a worker died.  Clears its row as well. */
void shm_clear_worker(struct shm *shm, unsigned int worker);

#endif

/*
 * shm.c: counts that all workers see.  There is no lock, so no worker can hold
 * up another one or the master: each writes its own part only, and a limit is
 * checked by counting oneself in, adding up all parts, and undoing it when
 * that was one too many.  Two that arrive together at the last free place may
 * both be turned away; never are both let in.
 *
 * Addresses are counted in a hash table per worker.  An entry whose count is 0
 * is free; a key that lost its entry to another is found nowhere, which is
 * right, as it counts nothing.
 */

#include "shm.h"

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board.h"

#define BOARD_PAGES 3  /* a row of the board, in whole pages */
#define BUCKETS 4096   /* per worker */
#define BUCKET_SIZE 64 /* entries looked at per worker and connection: 1 KiB */
#define NOT_COUNTED UINT32_MAX

struct address_entry {
	_Atomic uint64_t key;
	_Atomic uint64_t count;
};

/* What one worker writes; whole pages, so that clearing gives them back. */
struct shm_worker {
	union {
		struct board_row row;
		char row_pages[BOARD_PAGES * 4096];
	};
	_Atomic uint32_t connections[SHM_LISTENERS_MAX];
	struct address_entry addresses[BUCKETS][BUCKET_SIZE];
};

struct shm_head {
	_Atomic uint64_t next_id;
	uint64_t secret[2]; /* of the hash: peers shall not choose their bucket */
	char pad[4096 - 24];
};

struct shm {
	struct shm_head *head;
	struct shm_worker *worker;
	unsigned int workers;
	size_t size;
};

_Static_assert(sizeof(struct board_row) <= BOARD_PAGES * 4096, "it fits");
_Static_assert(sizeof(struct shm_worker) % 4096 == 0, "whole pages");
_Static_assert(sizeof(struct shm_head) == 4096, "whole pages");

struct shm *
shm_map(int fd, unsigned int workers)
{
	struct shm *shm;
	struct stat st;
	void *memory;

	if (workers == 0 || workers > SHM_WORKERS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	shm = calloc(1, sizeof(*shm));
	if (shm == NULL)
		return NULL;
	shm->workers = workers;
	shm->size = sizeof(struct shm_head) + workers * sizeof(struct shm_worker);
	if (fstat(fd, &st) == -1 || (size_t)st.st_size != shm->size) {
		free(shm);
		errno = EINVAL;
		return NULL;
	}
	memory = mmap(NULL, shm->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		free(shm);
		return NULL;
	}
	shm->head = memory;
	shm->worker = (struct shm_worker *)(shm->head + 1);
	return shm;
}

struct shm *
shm_new(unsigned int workers, int *ret_fd)
{
	struct shm *shm = NULL;
	int fd, saved;

	fd = memfd_create("sluice-counts", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return NULL;
	/* Sealed in size: a worker that cut it short would kill the master. */
	if (ftruncate(fd,
		(off_t)(sizeof(struct shm_head) +
		    workers * sizeof(struct shm_worker))) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
		-1)
		goto fail;
	shm = shm_map(fd, workers);
	if (shm == NULL)
		goto fail;
	atomic_store(&shm->head->next_id, 1);
	if (getrandom(shm->head->secret, sizeof(shm->head->secret), 0) !=
	    (ssize_t)sizeof(shm->head->secret))
		goto fail;
	*ret_fd = fd;
	return shm;
fail:
	saved = errno;
	shm_unmap(shm);
	close(fd);
	errno = saved;
	return NULL;
}

void
shm_unmap(struct shm *shm)
{
	if (shm == NULL)
		return;
	munmap(shm->head, shm->size);
	free(shm);
}

struct board_row *
shm_row(struct shm *shm, unsigned int worker)
{
	return &shm->worker[worker].row;
}

uint64_t
shm_next_id(struct shm *shm)
{
	return atomic_fetch_add_explicit(&shm->head->next_id, 1,
	    memory_order_relaxed);
}

uint64_t
shm_connections(struct shm *shm, unsigned int slot)
{
	uint64_t sum = 0;
	unsigned int i;

	if (slot >= SHM_LISTENERS_MAX)
		return 0;
	for (i = 0; i < shm->workers; i++)
		sum += atomic_load(&shm->worker[i].connections[slot]);
	return sum;
}

uint64_t
shm_worker_connections(struct shm *shm, unsigned int worker)
{
	uint64_t sum = 0;
	unsigned int i;

	if (worker >= shm->workers)
		return 0;
	for (i = 0; i < SHM_LISTENERS_MAX; i++)
		sum += atomic_load_explicit(
		    &shm->worker[worker].connections[i], memory_order_relaxed);
	return sum;
}

bool
shm_connection_in(struct shm *shm, unsigned int worker, unsigned int slot,
    uint64_t limit)
{
	_Atomic uint32_t *own;

	if (worker >= shm->workers || slot >= SHM_LISTENERS_MAX)
		return false;
	own = &shm->worker[worker].connections[slot];
	atomic_fetch_add(own, 1);
	if (limit == 0 || shm_connections(shm, slot) <= limit)
		return true;
	atomic_fetch_sub(own, 1);
	return false;
}

void
shm_connection_out(struct shm *shm, unsigned int worker, unsigned int slot)
{
	if (worker < shm->workers && slot < SHM_LISTENERS_MAX)
		atomic_fetch_sub(&shm->worker[worker].connections[slot], 1);
}

/* A bijection that spreads every bit of its argument over all others. */
static uint64_t
mix(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93u;
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93u;
	return value ^ value >> 32;
}

/* Returns false for what is never limited. */
static bool
peer_key(const struct shm *shm, unsigned int slot, const struct sockaddr *peer,
    uint64_t *ret_key)
{
	const struct in6_addr *in6;
	uint64_t address, family = 6;
	uint32_t in4;

	if (peer->sa_family == AF_INET) {
		in4 = ((const struct sockaddr_in *)peer)->sin_addr.s_addr;
		family = 4;
		address = in4;
	} else if (peer->sa_family == AF_INET6) {
		in6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
		memcpy(&address, in6->s6_addr, sizeof(address));
		if (IN6_IS_ADDR_V4MAPPED(in6)) {
			memcpy(&in4, &in6->s6_addr[12], sizeof(in4));
			family = 4;
			address = in4;
		}
	} else {
		return false;
	}
	*ret_key = mix(mix(address ^ shm->head->secret[0]) +
	    ((uint64_t)slot << 8 | family) + shm->head->secret[1]);
	if (*ret_key == 0)
		*ret_key = 1;
	return true;
}

static struct address_entry *
find_entry(struct shm_worker *worker, uint64_t key)
{
	struct address_entry *bucket = worker->addresses[key % BUCKETS];
	unsigned int i;

	for (i = 0; i < BUCKET_SIZE; i++)
		if (atomic_load_explicit(&bucket[i].key, memory_order_relaxed) ==
		    key)
			return &bucket[i];
	return NULL;
}

/* The worker's own entry for the key, made when needed.  NULL: its bucket is full. */
static struct address_entry *
own_entry(struct shm_worker *worker, uint64_t key)
{
	struct address_entry *entry = find_entry(worker, key);
	unsigned int i;

	if (entry != NULL)
		return entry;
	for (i = 0; i < BUCKET_SIZE; i++) {
		entry = &worker->addresses[key % BUCKETS][i];
		if (atomic_load(&entry->count) != 0)
			continue;
		atomic_store(&entry->key, key);
		return entry;
	}
	return NULL;
}

bool
shm_address_in(struct shm *shm, unsigned int worker, unsigned int slot,
    const struct sockaddr *peer, uint64_t limit, uint32_t *ret_entry)
{
	struct address_entry *own, *entry;
	uint64_t key, sum = 0;
	unsigned int i;

	if (worker >= shm->workers || slot >= SHM_LISTENERS_MAX)
		return false;
	*ret_entry = NOT_COUNTED;
	if (!peer_key(shm, slot, peer, &key))
		return true;
	own = own_entry(&shm->worker[worker], key);
	if (own == NULL)
		return true; /* too many different peers: rather serve than refuse */
	atomic_fetch_add(&own->count, 1);
	for (i = 0; i < shm->workers && limit != 0; i++) {
		entry = i == worker ? own : find_entry(&shm->worker[i], key);
		if (entry != NULL)
			sum += atomic_load(&entry->count);
	}
	if (limit != 0 && sum > limit) {
		atomic_fetch_sub(&own->count, 1);
		return false;
	}
	*ret_entry = (uint32_t)(own - &shm->worker[worker].addresses[0][0]);
	return true;
}

void
shm_address_out(struct shm *shm, unsigned int worker, uint32_t entry)
{
	if (worker < shm->workers && entry < BUCKETS * BUCKET_SIZE)
		atomic_fetch_sub(
		    &shm->worker[worker]
			 .addresses[entry / BUCKET_SIZE][entry % BUCKET_SIZE]
			 .count,
		    1);
}

void
shm_clear_worker(struct shm *shm, unsigned int worker)
{
	struct shm_worker *own;

	if (worker >= shm->workers)
		return;
	own = &shm->worker[worker];
	/* Giving the pages back also zeroes them; one by one would touch 4 MiB. */
	if (madvise(own, sizeof(*own), MADV_REMOVE) == -1)
		memset(own, 0, sizeof(*own));
}

/*
 * shm_count.c: counts that all workers see.  Each worker writes its own row
 * only.  To check a limit it counts the connection in, adds up all rows, and
 * undoes its count when that is one too many.  Two connections that arrive
 * together at the last free place may both be turned away, but are never both
 * let in.
 *
 * Addresses are counted in a hash table per worker.  An entry whose count is 0
 * is free; a key whose entry was taken for another is not found, which is
 * right, as its count was 0.
 */

#include "ipc/shm.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "ipc/shm_internal.h"

#define NOT_COUNTED UINT32_MAX

struct shm_row *
shm_row_for(const struct shm *shm, unsigned int worker, unsigned int slot)
{
	struct shm_row *row = shm->view[worker].row;

	if (row == NULL || worker == shm->own)
		return row;
	return shm_slot_given(shm, worker, slot) ? row : NULL;
}

uint64_t
shm_connections(const struct shm *shm, unsigned int slot)
{
	struct shm_row *row;
	uint64_t sum = 0;

	if (slot >= LISTENERS_MAX)
		return 0;
	for (unsigned int i = 0; i < shm->used; i++) {
		row = shm_row_for(shm, i, slot);
		if (row != NULL)
			sum += atomic_load(&row->connections[slot]);
	}
	return sum;
}

uint64_t
shm_worker_connections(const struct shm *shm, unsigned int worker)
{
	struct shm_row *row;
	uint64_t sum = 0;

	if (worker >= shm->workers)
		return 0;
	for (unsigned int i = 0; i < LISTENERS_MAX; i++) {
		row = shm_row_for(shm, worker, i);
		if (row != NULL)
			sum += atomic_load_explicit(&row->connections[i],
			    memory_order_relaxed);
	}
	return sum;
}

bool
shm_connection_in(struct shm *shm, unsigned int slot, uint64_t limit)
{
	_Atomic uint32_t *own;

	if (slot >= LISTENERS_MAX)
		return false;
	own = &shm->own_row->connections[slot];
	atomic_fetch_add(own, 1);
	if (limit == 0 || shm_connections(shm, slot) <= limit)
		return true;
	atomic_fetch_sub(own, 1);
	return false;
}

void
shm_connection_out(struct shm *shm, unsigned int slot)
{
	if (slot < LISTENERS_MAX)
		atomic_fetch_sub(&shm->own_row->connections[slot], 1);
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

bool
shm_peer_key(const struct shm *shm, unsigned int slot,
    const struct sockaddr *peer, uint64_t *ret_key)
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
find_entry(struct shm_row *row, uint64_t key)
{
	struct address_entry *bucket = row->addresses[key % SHM_BUCKETS];

	for (unsigned int i = 0; i < SHM_BUCKET_SIZE; i++)
		if (atomic_load_explicit(&bucket[i].key,
			memory_order_relaxed) == key)
			return &bucket[i];
	return NULL;
}

/*
 * The worker's own entry for the key, made when needed.  NULL: its bucket is
 * full.
 */
static struct address_entry *
own_entry(struct shm_row *row, uint64_t key)
{
	struct address_entry *entry = find_entry(row, key);

	if (entry != NULL)
		return entry;
	for (unsigned int i = 0; i < SHM_BUCKET_SIZE; i++) {
		entry = &row->addresses[key % SHM_BUCKETS][i];
		if (atomic_load(&entry->count) != 0)
			continue;
		atomic_store(&entry->key, key);
		return entry;
	}
	return NULL;
}

static uint64_t
address_connections(const struct shm *shm, unsigned int slot, uint64_t key)
{
	struct address_entry *entry;
	struct shm_row *row;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < shm->used; i++) {
		row = shm_row_for(shm, i, slot);
		entry = row != NULL ? find_entry(row, key) : NULL;
		if (entry != NULL)
			sum += atomic_load(&entry->count);
	}
	return sum;
}

bool
shm_address_in(struct shm *shm, unsigned int slot, const struct sockaddr *peer,
    uint64_t limit, uint32_t *ret_entry)
{
	struct address_entry *own;
	uint64_t key;

	if (slot >= LISTENERS_MAX)
		return false;
	*ret_entry = NOT_COUNTED;
	if (!shm_peer_key(shm, slot, peer, &key))
		return true;
	own = own_entry(shm->own_row, key);
	if (own == NULL)
		return true; /* too many different peers: rather serve than refuse */
	atomic_fetch_add(&own->count, 1);
	if (limit != 0 && address_connections(shm, slot, key) > limit) {
		atomic_fetch_sub(&own->count, 1);
		return false;
	}
	*ret_entry = (uint32_t)(own - &shm->own_row->addresses[0][0]);
	return true;
}

void
shm_address_out(struct shm *shm, uint32_t entry)
{
	struct address_entry *bucket;

	if (entry >= SHM_BUCKETS * SHM_BUCKET_SIZE)
		return;
	bucket = shm->own_row->addresses[entry / SHM_BUCKET_SIZE];
	atomic_fetch_sub(&bucket[entry % SHM_BUCKET_SIZE].count, 1);
}

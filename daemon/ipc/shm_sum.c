/*
 * shm_sum.c: where workers count, and adding up what they have counted.  Only
 * the slots that a worker was given are read, since a page of shared memory
 * takes up memory as soon as it is written or read.
 */

#include <stdatomic.h>
#include <string.h>

#include "ipc/shm.h"
#include "ipc/shm_internal.h"

/* For a slot that does not exist. */
static struct counts no_counts;
static struct counter no_counters[COUNTERS_MAX];

static uint32_t
tenancy_of(const struct shm *shm, unsigned int slot)
{
	return atomic_load(&shm->head->tenancy[slot]);
}

struct counts *
shm_own_counts(struct shm *shm, unsigned int slot,
    struct counter **ret_counters)
{
	uint32_t tenancy;
	struct counts *counts;

	*ret_counters = no_counters;
	if (slot >= LISTENERS_MAX)
		return &no_counts;
	tenancy = tenancy_of(shm, slot);
	counts = &shm->own_row->counts[slot];
	*ret_counters = shm->own_row->counters[slot];
	if (atomic_load(&counts->tenancy) == tenancy)
		return counts;
	/* The counts are not read by others before the number matches. */
	atomic_store(&counts->named, 0);
	memset(counts->value, 0, sizeof(counts->value));
	memset(counts->paced, 0, sizeof(counts->paced));
	for (int i = 0; i < PACES; i++)
		atomic_store(&counts->pace_until_us[i], 0);
	atomic_store(&counts->tenancy, tenancy);
	return counts;
}

/* What a worker has counted for the listener in the slot.  NULL: nothing. */
static const struct counts *
counts_of(const struct shm *shm, unsigned int worker, unsigned int slot)
{
	const struct shm_row *row = shm->view[worker].row;

	if (row == NULL || !shm_slot_given(shm, worker, slot) ||
	    atomic_load(&row->counts[slot].tenancy) != tenancy_of(shm, slot))
		return NULL;
	return &row->counts[slot];
}

void
shm_add_counts(const struct shm *shm, unsigned int worker, unsigned int slot,
    struct counts_sum *sum)
{
	const struct counts *counts = counts_of(shm, worker, slot);

	if (counts != NULL)
		counts_sum_add(sum, counts,
		    shm->view[worker].row->counters[slot]);
}

uint64_t
shm_paced(const struct shm *shm, unsigned int slot, enum pace direction)
{
	const struct counts *counts;
	uint64_t sum = 0;

	for (unsigned int i = 0; slot < LISTENERS_MAX && i < shm->used; i++) {
		counts = counts_of(shm, i, slot);
		if (counts != NULL)
			sum += counts_paced(counts, direction);
	}
	return sum;
}

uint64_t
shm_pace_until_us(const struct shm *shm, unsigned int slot, enum pace direction)
{
	const struct counts *counts;
	uint64_t until, latest = 0;

	for (unsigned int i = 0; slot < LISTENERS_MAX && i < shm->used; i++) {
		counts = counts_of(shm, i, slot);
		if (counts == NULL)
			continue;
		until = atomic_load_explicit(&counts->pace_until_us[direction],
		    memory_order_acquire);
		latest = until > latest ? until : latest;
	}
	return latest;
}

void
shm_sum_listener(const struct shm *shm, unsigned int slot,
    struct counts_sum *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	if (slot >= LISTENERS_MAX)
		return;
	counts_sum_join(ret_sum, &shm->retired[slot]);
	for (unsigned int i = 0; i < shm->used; i++)
		shm_add_counts(shm, i, slot, ret_sum);
}

void
shm_sum_worker(const struct shm *shm, unsigned int worker,
    struct counts_sum *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	for (unsigned int i = 0; i < LISTENERS_MAX; i++)
		shm_add_counts(shm, worker, i, ret_sum);
}

void
shm_begin_with(struct shm *shm, unsigned int slot, const struct counts_sum *sum)
{
	counts_sum_join(&shm->retired[slot], sum);
}

void
shm_retire(struct shm *shm, unsigned int worker)
{
	for (unsigned int i = 0; i < LISTENERS_MAX; i++)
		shm_add_counts(shm, worker, i, &shm->retired[i]);
}

void
shm_begin_tenancy(struct shm *shm, unsigned int slot)
{
	memset(&shm->retired[slot], 0, sizeof(shm->retired[slot]));
	atomic_fetch_add(&shm->head->tenancy[slot], 1);
}

uint64_t
shm_tick_scale(const struct shm *shm)
{
	return atomic_load(&shm->head->tick_scale);
}

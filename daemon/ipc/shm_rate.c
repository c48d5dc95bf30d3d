/*
 * shm_rate.c: how many connections came in the last second, in all workers.  For
 * each second a worker counts in its own row, and keeps the second before.
 * What came in the last 1,000 ms is estimated from both: of the second before,
 * the part that is not over yet, as if its connections had come evenly.
 *
 * All of a window is one word, so that others never see half of a change.  Two
 * workers that ask at the same time may both find the last place free.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/shm.h"
#include "ipc/shm_internal.h"

#define COUNT_BITS 20 /* as many as a limit may be, and some */
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
/* A window has this much of the number of its second. */
#define SECOND_MASK ((UINT64_C(1) << (64 - 2 * COUNT_BITS)) - 1)

/* No clock of a pass is older than this; else it is a very old window. */
#define AHEAD_MAX 3600

_Static_assert(SHM_RATE_MAX < COUNT_MASK, "a limit can be reached");

struct window {
	uint64_t second, before, now;
	bool ahead; /* of the reader, whose clock is that of its pass */
};

static uint64_t
pack(struct window window)
{
	return window.second << 2 * COUNT_BITS | window.before << COUNT_BITS |
	    window.now;
}

/* The window as it is in that second, whenever it was written. */
static struct window
unpack(uint64_t packed, uint64_t second)
{
	struct window window = {
		.second = packed >> 2 * COUNT_BITS,
		.before = packed >> COUNT_BITS & COUNT_MASK,
		.now = packed & COUNT_MASK,
	};
	uint64_t passed = (second - window.second) & SECOND_MASK;

	window.ahead = passed > SECOND_MASK - AHEAD_MAX;
	if (passed > 0 && !window.ahead) {
		window.before = passed == 1 ? window.now : 0;
		window.now = 0;
		window.second = second;
	}
	return window;
}

/* The seconds as a window has them: they may wrap. */
static uint64_t
second_of(uint64_t now_ms)
{
	return now_ms / 1000 & SECOND_MASK;
}

/* Of a thousandth of a connection, so that nothing is rounded. */
static uint64_t
last_second(const _Atomic uint64_t *packed, uint64_t now_ms)
{
	struct window window =
	    unpack(atomic_load_explicit(packed, memory_order_relaxed),
		second_of(now_ms));

	if (window.ahead)
		return (window.now + window.before) * 1000;
	return window.now * 1000 + window.before * (1000 - now_ms % 1000);
}

static void
count(_Atomic uint64_t *own, uint64_t now_ms)
{
	struct window window = unpack(
	    atomic_load_explicit(own, memory_order_relaxed), second_of(now_ms));

	if (window.ahead) /* it is our own, so it is from 194 days ago */
		window = (struct window){ .second = second_of(now_ms) };
	if (window.now < COUNT_MASK)
		window.now++;
	atomic_store_explicit(own, pack(window), memory_order_relaxed);
}

bool
shm_rate_in(struct shm *shm, unsigned int slot, uint64_t limit, uint64_t now_ms)
{
	const struct shm_row *row;
	uint64_t sum = 0;

	if (slot >= LISTENERS_MAX)
		return false;
	for (unsigned int i = 0; i < shm->used; i++) {
		row = shm_row_for(shm, i, slot);
		if (row != NULL)
			sum += last_second(&row->rates[slot], now_ms);
	}
	if (sum + 1000 > limit * 1000)
		return false;
	count(&shm->own_row->rates[slot], now_ms);
	return true;
}

static struct rate_entry *
find(struct shm_row *row, uint64_t key)
{
	struct rate_entry *bucket = row->address_rates[key % SHM_BUCKETS];

	for (unsigned int i = 0; i < SHM_RATE_BUCKET_SIZE; i++)
		if (atomic_load_explicit(&bucket[i].key,
			memory_order_relaxed) == key)
			return &bucket[i];
	return NULL;
}

/* Its own entry, in place of one that says nothing any more.  NULL: full. */
static struct rate_entry *
own_entry(struct shm_row *row, uint64_t key, uint64_t now_ms)
{
	struct rate_entry *entry = find(row, key);

	for (unsigned int i = 0; entry == NULL && i < SHM_RATE_BUCKET_SIZE;
	     i++) {
		entry = &row->address_rates[key % SHM_BUCKETS][i];
		if (last_second(&entry->window, now_ms) > 0) {
			entry = NULL;
			continue;
		}
		/* Others must not see the old window under the new key. */
		atomic_store(&entry->window, 0);
		atomic_store(&entry->key, key);
	}
	return entry;
}

bool
shm_address_rate_in(struct shm *shm, unsigned int slot,
    const struct sockaddr *peer, uint64_t limit, uint64_t now_ms)
{
	struct rate_entry *entry;
	struct shm_row *row;
	uint64_t key, sum = 0;

	if (slot >= LISTENERS_MAX)
		return false;
	if (!shm_peer_key(shm, slot, peer, &key))
		return true;
	for (unsigned int i = 0; i < shm->used; i++) {
		row = shm_row_for(shm, i, slot);
		entry = row != NULL ? find(row, key) : NULL;
		if (entry != NULL)
			sum += last_second(&entry->window, now_ms);
	}
	if (sum + 1000 > limit * 1000)
		return false;
	entry = own_entry(shm->own_row, key, now_ms);
	if (entry != NULL) /* else too many peers: rather serve than refuse */
		count(&entry->window, now_ms);
	return true;
}

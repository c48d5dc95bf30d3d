/*
 * bucket.c: a leaky bucket.  A thousandth of a byte leaks in a millisecond at
 * one byte a second, so nothing is rounded.
 */

#include "worker/bucket.h"

#define BYTE 1000u
#define SIZE_MS 250u

/*
 * Others pour in as well, without asking at the same moment, and a rate may
 * fall.  What is above this much is forgotten, so that nothing stops for long.
 */
#define DEBT_MAX_MS 3000u

static uint64_t
size_of(uint64_t rate)
{
	return rate * SIZE_MS > BYTE ? rate * SIZE_MS : BYTE;
}

static uint64_t
most_of(uint64_t rate)
{
	return size_of(rate) + rate * DEBT_MAX_MS;
}

void
bucket_leak(struct bucket *bucket, uint64_t rate, uint64_t now_ms)
{
	uint64_t ms = now_ms - bucket->at_ms, lost;

	if (bucket->level > most_of(rate))
		bucket->level = most_of(rate);
	if (now_ms < bucket->at_ms)
		return;
	bucket->at_ms = now_ms;
	/* After this long any bucket is empty, and nothing wraps before. */
	lost = ms < DEBT_MAX_MS + SIZE_MS ? ms * rate : bucket->level;
	bucket->level -= lost < bucket->level ? lost : bucket->level;
}

uint64_t
bucket_room(const struct bucket *bucket, uint64_t rate)
{
	uint64_t size = size_of(rate);

	return bucket->level < size ? (size - bucket->level) / BYTE : 0;
}

void
bucket_add(struct bucket *bucket, uint64_t rate, uint64_t bytes)
{
	uint64_t most = most_of(rate);

	if (bucket->level > most || bytes > (most - bucket->level) / BYTE)
		bucket->level = most;
	else
		bucket->level += bytes * BYTE;
}

uint64_t
bucket_until_us(const struct bucket *bucket, uint64_t rate)
{
	return bucket->at_ms * 1000 + bucket->level * 1000 / rate;
}

void
bucket_fill_until_us(struct bucket *bucket, uint64_t rate, uint64_t until_us)
{
	uint64_t now_us = bucket->at_ms * 1000, us, level;

	if (until_us <= now_us)
		return;
	us = until_us - now_us;
	if (us > (DEBT_MAX_MS + SIZE_MS) * 1000)
		us = (DEBT_MAX_MS + SIZE_MS) * 1000;
	level = us * rate / 1000;
	if (level > bucket->level)
		bucket->level = level;
}

uint64_t
bucket_wait_ms(const struct bucket *bucket, uint64_t rate)
{
	uint64_t size = size_of(rate), goal = size / 2, ms;

	if (goal > size - BYTE)
		goal = size - BYTE; /* a whole byte has to be free */
	if (bucket->level <= goal)
		return 1;
	ms = (bucket->level - goal + rate - 1) / rate;
	return ms > 0 ? ms : 1;
}

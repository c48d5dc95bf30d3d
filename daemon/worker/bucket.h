/*
 * bucket.h: how many bytes may go now under a rate: a leaky bucket.  What goes
 * is poured in, and it leaks at that rate.  The bucket holds a quarter of a
 * second's worth, and at least one byte: so much may go at once.
 */

#ifndef SLUICE_BUCKET_H
#define SLUICE_BUCKET_H

#include <stdint.h>

/* An empty one is all zero. */
struct bucket {
	uint64_t level; /* in thousandths of a byte */
	uint64_t at_ms; /* until when it has leaked */
};

/*
 * Let it leak until now; monotonic, in milliseconds.  The rate is 1 to
 * PACE_RATE_MAX bytes a second.
 */
void bucket_leak(struct bucket *bucket, uint64_t rate, uint64_t now_ms);
/* How many bytes it has room for. */
uint64_t bucket_room(const struct bucket *bucket, uint64_t rate);
/* So many have gone: more than there was room for, perhaps. */
void bucket_add(struct bucket *bucket, uint64_t rate, uint64_t bytes);
/*
 * When it will be empty, in microseconds of that clock; and make it at least so
 * full that this is no earlier.
 */
uint64_t bucket_until_us(const struct bucket *bucket, uint64_t rate);
void bucket_fill_until_us(struct bucket *bucket, uint64_t rate,
    uint64_t until_us);
/* In how long will half of it be free?  In milliseconds, at least 1. */
uint64_t bucket_wait_ms(const struct bucket *bucket, uint64_t rate);

#endif

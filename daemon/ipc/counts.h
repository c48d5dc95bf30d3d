/*
 * counts.h: what is counted of a listener.  Each worker counts in its own row
 * of the shared memory (shm.h), and whoever wants to know adds up the rows.  So
 * no worker has to be asked, and one that hangs hides nothing.
 *
 * The table says what each count means.  Code that shows counts goes through
 * it, so a new count needs only a line of the enum and a row of the table.
 */

#ifndef SLUICE_COUNTS_H
#define SLUICE_COUNTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ticks.h"
#include "base/why.h"
#include "config/settings.h"

/*
 * Buckets for the time of a callback: number k counts those under 2^k
 * microseconds, and the last one all that took longer.
 */
#define COUNT_BUCKETS 26

struct packer;
struct unpacker;

enum count {
	/* Those that each message changes come first, to share a cache line. */
	COUNT_BYTES_IN,
	COUNT_BYTES_OUT,
	COUNT_CALLBACK_TICKS,
	COUNT_CALLBACKS, /* the first of the buckets */
	COUNT_CALLBACKS_LAST = COUNT_CALLBACKS + COUNT_BUCKETS - 1,
	COUNT_SLOW,
	COUNT_ACCEPTED,
	COUNT_OUTGOING,
	COUNT_REFUSED, /* by the limit: */
	COUNT_REFUSED_CONNECTIONS = COUNT_REFUSED,
	COUNT_REFUSED_PER_ADDRESS,
	COUNT_REFUSED_MEMORY,
	COUNT_REFUSED_DESCRIPTORS,
	COUNT_REFUSED_DENIED,
	COUNT_REFUSED_ACCEPT_RATE,
	COUNT_REFUSED_ADDRESS_RATE,
	COUNT_REFUSED_LAST = COUNT_REFUSED_ADDRESS_RATE,
	COUNT_PACED,			    /* had to wait, by the limit: */
	COUNT_PACED_LAST = COUNT_PACED + 3, /* see count_pace() */
	COUNT_FAILED, /* ended after an error, or by a callback's result */
	COUNT_CLOSED, /* by the reason, an enum sl_why */
	COUNT_CLOSED_LAST = COUNT_CLOSED + WHY_ROWS - 1,
	COUNT_HANDSHAKES, /* of TLS, by how they ended: */
	COUNT_HANDSHAKES_FULL = COUNT_HANDSHAKES,
	COUNT_HANDSHAKES_RESUMED,
	COUNT_HANDSHAKES_CERTIFICATE, /* the peer's was refused */
	COUNT_HANDSHAKES_ALERT,	      /* the peer refused */
	COUNT_HANDSHAKES_PROTOCOL,    /* nothing in common, or nonsense */
	COUNT_HANDSHAKES_PEER,	      /* the peer went away */
	COUNT_HANDSHAKES_UNFINISHED,  /* too slow, or closed by us */
	COUNT_HANDSHAKE_TICKS,
	COUNT_HANDSHAKE_TIMES, /* the first of the buckets */
	COUNT_HANDSHAKE_TIMES_LAST = COUNT_HANDSHAKE_TIMES + COUNT_BUCKETS - 1,
	COUNTS
};

enum count_kind {
	COUNT_PLAIN,
	COUNT_BY_LABEL,	 /* several, which `label_value` tells apart */
	COUNT_HISTOGRAM, /* buckets; the sum of ticks stands before them */
};

struct count_row {
	enum count_kind kind;
	const char *name;
	/* In metrics.c, with the unit; _total is added to all but histograms. */
	const char *metric;
	const char *unit; /* "bytes"; "": just a number */
	enum count first;
	unsigned int many;
	const char *label; /* "reason" */
	const char *(*label_value)(unsigned int i);
	const char *help;
};
extern const struct count_row count_table[];
extern const size_t count_table_size;

/* Names that a plugin counts under, see sl_count(). */
#define COUNTERS_MAX 32
#define COUNTER_NAME_MAX 32

struct counter {
	char name[COUNTER_NAME_MAX];
	uint64_t value;
};
bool counter_name_valid(const char *name);

/* Of one listener, in the row of one worker, which alone writes it. */
struct counts {
	_Alignas(64) uint64_t value[COUNTS];
	/*
	 * Bytes that connections with a rate have moved, by enum pace.  The
	 * other workers want to know.
	 */
	uint64_t paced[PACES];
	/* When the bucket of its rate will be empty here: see pacer.c. */
	_Atomic uint64_t pace_until_us[PACES];
	_Atomic uint32_t tenancy; /* of the slot: see shm_internal.h */
	_Atomic uint32_t named;	  /* counters that have a name */
};

/*
 * Worker.  A plain addition, as that is one instruction where an atomic load
 * and store are three: other processes see what it was before or after, since
 * it is one aligned word.
 */
static inline void
count_add(struct counts *counts, unsigned int count, uint64_t n)
{
	counts->value[count] += n;
}

/* Worker: a connection with a rate has moved bytes. */
static inline void
count_paced(struct counts *counts, enum pace direction, uint64_t n)
{
	counts->paced[direction] += n;
}

static inline uint64_t
counts_paced(const struct counts *counts, enum pace direction)
{
	return __atomic_load_n(&counts->paced[direction], __ATOMIC_RELAXED);
}

/* Which count: a connection waits for its own rate, or for its listener's. */
static inline unsigned int
count_pace(enum pace direction, bool listener)
{
	return COUNT_PACED + (listener ? PACES : 0) + direction;
}

/* The bucket of a callback that took so long; it may be beyond the last. */
static inline unsigned int
count_bucket(uint64_t half_us)
{
	return 63 ^ (unsigned int)__builtin_clzll(half_us | 1);
}

/* One more in the histogram whose buckets begin at `first`. */
static inline void
count_time(struct counts *counts, enum count first, uint64_t ticks,
    uint64_t half_us)
{
	unsigned int bucket = count_bucket(half_us);

	if (bucket >= COUNT_BUCKETS)
		bucket = COUNT_BUCKETS - 1;
	count_add(counts, first + bucket, 1);
	count_add(counts, first - 1, ticks);
}

/*
 * Worker: add to the counter of that name, which is valid.  0, or -1 with
 * ENOSPC.
 */
int counter_add(struct counts *counts, struct counter counters[COUNTERS_MAX],
    const char *name, uint64_t n);
/* How many of them have a name. */
unsigned int counters_named(const struct counts *counts);

/* The sum.  Workers may have different names, so there is room for more. */
#define COUNTERS_SUM_MAX (2 * COUNTERS_MAX)
struct counts_sum {
	uint64_t value[COUNTS];
	unsigned int named;
	struct counter counters[COUNTERS_SUM_MAX];
};
/* The row is written by a worker, and not trusted. */
void counts_sum_add(struct counts_sum *sum, const struct counts *counts,
    const struct counter counters[COUNTERS_MAX]);
void counts_sum_join(struct counts_sum *sum, const struct counts_sum *other);
/*
 * For another program, whose table may have more rows, or longer ones: what
 * both have goes over.
 */
void counts_sum_pack(const struct counts_sum *sum, struct packer *packer);
void counts_sum_unpack(struct counts_sum *ret_sum, struct unpacker *unpacker);
/* The sum of all values of a row of the table. */
uint64_t counts_sum_total(const struct counts_sum *sum,
    const struct count_row *row);

#endif

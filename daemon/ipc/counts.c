/* counts.c: the table of counts, and how they are added up. */

#include "ipc/counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/pack.h"

static const char *
refusal_word(unsigned int i)
{
	static const char *const words[] = {
		"connections",
		"per_address",
		"memory",
		"descriptors",
		"denied",
		"accept_rate",
		"accept_rate_per_address",
	};

	return words[i];
}

static const char *
pace_word(unsigned int i)
{
	static const char *const words[] = {
		"rate_in",
		"rate_out",
		"listener_rate_in",
		"listener_rate_out",
	};

	return words[i];
}

static const char *
handshake_word(unsigned int i)
{
	static const char *const words[] = {
		"full",
		"resumed",
		"certificate",
		"alert",
		"protocol",
		"peer",
		"unfinished",
	};

	return words[i];
}

const struct count_row count_table[] = {
	{ COUNT_PLAIN, "accepted", "connections_accepted", "", COUNT_ACCEPTED,
	    1, NULL, NULL, "Connections that were accepted and let in." },
	{ COUNT_PLAIN, "outgoing", "connections_outgoing", "", COUNT_OUTGOING,
	    1, NULL, NULL, "Connections that the plugin began to make." },
	{ COUNT_BY_LABEL, "refused", "connections_refused", "", COUNT_REFUSED,
	    COUNT_REFUSED_LAST - COUNT_REFUSED + 1, "limit", refusal_word,
	    "Connections that were turned away, by the limit." },
	{ COUNT_BY_LABEL, "paced", "rate_waits", "", COUNT_PACED,
	    COUNT_PACED_LAST - COUNT_PACED + 1, "limit", pace_word,
	    "Times that a connection had to wait before it moved more bytes, by "
	    "the limit." },
	{ COUNT_BY_LABEL, "closed", "connections_closed", "", COUNT_CLOSED,
	    WHY_ROWS, "reason", why_word,
	    "Connections that ended, by the reason." },
	{ COUNT_PLAIN, "failed", "connections_failed", "", COUNT_FAILED, 1,
	    NULL, NULL,
	    "Connections that ended after an error, of the network or the "
	    "plugin." },
	{ COUNT_PLAIN, "bytes_in", "received_bytes", "bytes", COUNT_BYTES_IN, 1,
	    NULL, NULL, "Input that was read." },
	{ COUNT_PLAIN, "bytes_out", "sent_bytes", "bytes", COUNT_BYTES_OUT, 1,
	    NULL, NULL, "Output that the kernel has taken." },
	{ COUNT_HISTOGRAM, "callbacks", "callback_duration_seconds", "seconds",
	    COUNT_CALLBACKS, COUNT_BUCKETS, NULL, NULL,
	    "Callbacks that have returned, by the time they took." },
	{ COUNT_PLAIN, "slow_callbacks", "slow_callbacks", "", COUNT_SLOW, 1,
	    NULL, NULL,
	    "Callbacks that took as long as `slow_callback` says, or longer." },
	{ COUNT_BY_LABEL, "handshakes", "tls_handshakes", "", COUNT_HANDSHAKES,
	    COUNT_HANDSHAKES_UNFINISHED - COUNT_HANDSHAKES + 1, "result",
	    handshake_word, "TLS handshakes, by how they ended." },
	{ COUNT_HISTOGRAM, "handshake_times", "tls_handshake_duration_seconds",
	    "seconds", COUNT_HANDSHAKE_TIMES, COUNT_BUCKETS, NULL, NULL,
	    "TLS handshakes that succeeded, by the time from the first byte." },
};
const size_t count_table_size = sizeof(count_table) / sizeof(count_table[0]);

/* The name stands in logs as NAME=COUNT. */
bool
counter_name_valid(const char *name)
{
	size_t n = strspn(name,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_.-");

	return n > 0 && n < COUNTER_NAME_MAX && name[n] == '\0';
}

unsigned int
counters_named(const struct counts *counts)
{
	uint32_t named =
	    atomic_load_explicit(&counts->named, memory_order_acquire);

	return named < COUNTERS_MAX ? named : COUNTERS_MAX;
}

/* NULL: there is none. */
static struct counter *
find(struct counter *counters, unsigned int count, const char *name)
{
	for (unsigned int i = 0; i < count; i++)
		if (strcmp(counters[i].name, name) == 0)
			return &counters[i];
	return NULL;
}

int
counter_add(struct counts *counts, struct counter counters[COUNTERS_MAX],
    const char *name, uint64_t n)
{
	unsigned int named = counters_named(counts);
	struct counter *counter = find(counters, named, name);

	if (counter != NULL) {
		counter->value += n;
		return 0;
	}
	if (named == COUNTERS_MAX)
		return fail(ENOSPC);
	strcpy(counters[named].name, name);
	counters[named].value = n;
	/* A reader that sees the new number also sees the name. */
	atomic_store_explicit(&counts->named, named + 1, memory_order_release);
	return 0;
}

static uint64_t
load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void
add_counter(struct counts_sum *sum, const char *name, uint64_t value)
{
	struct counter *counter = find(sum->counters, sum->named, name);

	if (counter == NULL && sum->named < COUNTERS_SUM_MAX) {
		counter = &sum->counters[sum->named++];
		strcpy(counter->name, name);
		counter->value = 0;
	}
	if (counter != NULL)
		counter->value += value;
}

void
counts_sum_add(struct counts_sum *sum, const struct counts *counts,
    const struct counter counters[COUNTERS_MAX])
{
	unsigned int named = counters_named(counts);
	char name[COUNTER_NAME_MAX];

	for (unsigned int i = 0; i < COUNTS; i++)
		sum->value[i] += load(&counts->value[i]);
	for (unsigned int i = 0; i < named; i++) {
		memcpy(name, counters[i].name, sizeof(name));
		name[sizeof(name) - 1] = '\0';
		if (counter_name_valid(name))
			add_counter(sum, name, load(&counters[i].value));
	}
}

void
counts_sum_join(struct counts_sum *sum, const struct counts_sum *other)
{
	for (unsigned int i = 0; i < COUNTS; i++)
		sum->value[i] += other->value[i];
	for (unsigned int i = 0; i < other->named; i++)
		add_counter(sum, other->counters[i].name,
		    other->counters[i].value);
}

/* The sum of its ticks stands before a histogram. */
static unsigned int
first_of(const struct count_row *row)
{
	return row->kind == COUNT_HISTOGRAM ? row->first - 1 : row->first;
}

static unsigned int
many_of(const struct count_row *row)
{
	return row->kind == COUNT_HISTOGRAM ? row->many + 1 : row->many;
}

void
counts_sum_pack(const struct counts_sum *sum, struct packer *packer)
{
	const struct count_row *row;

	pack_u32(packer, (uint32_t)count_table_size);
	for (size_t i = 0; i < count_table_size; i++) {
		row = &count_table[i];
		pack_string(packer, row->name);
		pack_u32(packer, many_of(row));
		for (unsigned int j = 0; j < many_of(row); j++)
			pack_u64(packer, sum->value[first_of(row) + j]);
	}
	pack_u32(packer, sum->named);
	for (unsigned int i = 0; i < sum->named; i++) {
		pack_string(packer, sum->counters[i].name);
		pack_u64(packer, sum->counters[i].value);
	}
}

/* NULL: it has no row of that name. */
static const struct count_row *
row_of(const char *name)
{
	for (size_t i = 0; name != NULL && i < count_table_size; i++)
		if (strcmp(count_table[i].name, name) == 0)
			return &count_table[i];
	return NULL;
}

static void
unpack_row(struct counts_sum *sum, struct unpacker *unpacker)
{
	char *name = unpack_string(unpacker);
	const struct count_row *row = row_of(name);
	uint32_t many = unpack_count(unpacker, sizeof(uint64_t));
	uint64_t value;

	for (unsigned int i = 0; i < many; i++) {
		value = unpack_u64(unpacker);
		if (row != NULL && i < many_of(row))
			sum->value[first_of(row) + i] = value;
	}
	free(name);
}

void
counts_sum_unpack(struct counts_sum *ret_sum, struct unpacker *unpacker)
{
	uint32_t rows = unpack_count(unpacker, sizeof(uint32_t)), named;
	uint64_t value;
	char *name;

	memset(ret_sum, 0, sizeof(*ret_sum));
	while (rows-- > 0)
		unpack_row(ret_sum, unpacker);
	named = unpack_count(unpacker, sizeof(uint64_t));
	while (named-- > 0) {
		name = unpack_string(unpacker);
		value = unpack_u64(unpacker);
		if (name != NULL && counter_name_valid(name))
			add_counter(ret_sum, name, value);
		free(name);
	}
}

uint64_t
counts_sum_total(const struct counts_sum *sum, const struct count_row *row)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < row->many; i++)
		total += sum->value[row->first + i];
	return total;
}

/* check_counts.c: workers count for their listeners, and the master sums up. */

#include <errno.h>
#include <sluice.h>
#include <sys/stat.h>
#include <time.h>

#include "base/pack.h"
#include "fixture.h"
#include "ipc/counts.h"
#include "ipc/shm_internal.h"
#include "shm_fixture.h"
#include "worker/callback.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker_fixture.h"

#define SLOT 7 /* of all workers of the fixture */

static struct counter *counters;

static struct counts *
counts_of(unsigned int i)
{
	return shm_own_counts(worker[i], SLOT, &counters);
}

/* What sl_count() does. */
static int
add(unsigned int i, const char *name, uint64_t n)
{
	struct counts *counts = counts_of(i);

	return counter_add(counts, counters, name, n);
}

static struct counts_sum
sum_of(unsigned int slot)
{
	struct counts_sum sum;

	shm_sum_listener(master, slot, &sum);
	return sum;
}

/* The value of a plugin's counter; UINT64_MAX when there is no such name. */
static uint64_t
named(const struct counts_sum *sum, const char *name)
{
	for (unsigned int i = 0; i < sum->named; i++)
		if (strcmp(sum->counters[i].name, name) == 0)
			return sum->counters[i].value;
	return UINT64_MAX;
}

START_TEST(the_table_has_each_count_once)
{
	unsigned int seen[COUNTS] = { 0 };

	for (size_t i = 0; i < count_table_size; i++) {
		const struct count_row *row = &count_table[i];

		ck_assert_uint_gt(row->many, 0);
		for (unsigned int k = 0; k < row->many; k++) {
			seen[row->first + k]++;
			if (row->kind == COUNT_BY_LABEL)
				ck_assert_uint_gt(strlen(row->label_value(k)),
				    0);
		}
		if (row->kind == COUNT_HISTOGRAM)
			seen[row->first - 1]++; /* the sum of ticks */
	}
	for (unsigned int i = 0; i < COUNTS; i++)
		ck_assert_uint_eq(seen[i], 1);
}
END_TEST

/* man/sluicectl.8 has an item for each count, and the table a sentence. */
START_TEST(the_manual_describes_each_count)
{
	static char manual[65536];
	const char *dir = getenv("SLUICE_SRCDIR");
	char path[4096], item[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/man/sluicectl.8",
	    dir != NULL ? dir : ".");
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_lt(fread(manual, 1, sizeof(manual), file),
	    sizeof(manual) - 1);
	fclose(file);
	for (size_t i = 0; i < count_table_size; i++) {
		const char *help = count_table[i].help;

		snprintf(item, sizeof(item), "\n.It Ql %s\n",
		    count_table[i].name);
		ck_assert_msg(strstr(manual, item) != NULL, "%s is not in %s",
		    count_table[i].name, path);
		ck_assert_int_eq(help[strlen(help) - 1], '.');
	}
}
END_TEST

START_TEST(what_workers_count_is_added_up)
{
	struct counts_sum sum;

	make();
	for (unsigned int i = 0; i < WORKERS; i++)
		count_add(counts_of(i), COUNT_BYTES_IN, 1 + i);
	count_add(counts_of(2), COUNT_CLOSED + SL_WHY_IDLE, 5);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(sum.value[COUNT_BYTES_IN], 1 + 2 + 3 + 4);
	ck_assert_uint_eq(sum.value[COUNT_CLOSED + SL_WHY_IDLE], 5);
	ck_assert_uint_eq(sum.value[COUNT_BYTES_OUT], 0);
	sum = sum_of(SLOT + 1);
	ck_assert_uint_eq(sum.value[COUNT_BYTES_IN], 0);
	shm_sum_worker(master, 2, &sum);
	ck_assert_uint_eq(sum.value[COUNT_BYTES_IN], 3);
	unmake();
}
END_TEST

START_TEST(counts_go_over_to_the_next_program)
{
	struct packer packer = { .len = 0 };
	struct unpacker unpacker;
	struct counts_sum sum, got;

	memset(&sum, 0, sizeof(sum));
	for (unsigned int i = 0; i < COUNTS; i++)
		sum.value[i] = i + 1;
	sum.named = 1;
	strcpy(sum.counters[0].name, "messages");
	sum.counters[0].value = 7;
	counts_sum_pack(&sum, &packer);
	ck_assert(!packer.failed);
	unpacker = (struct unpacker){ .data = packer.data, .len = packer.len };
	counts_sum_unpack(&got, &unpacker);
	ck_assert(!unpacker.failed);
	ck_assert_uint_eq(unpacker.at, packer.len);
	for (unsigned int i = 0; i < COUNTS; i++)
		ck_assert_uint_eq(got.value[i], i + 1);
	ck_assert_uint_eq(named(&got, "messages"), 7);
	/* What was cut off is 0, and nothing is read behind the end. */
	for (size_t len = 0; len < packer.len; len++) {
		unpacker = (struct unpacker){ .data = packer.data, .len = len };
		counts_sum_unpack(&got, &unpacker);
		ck_assert(unpacker.failed);
	}
	free(packer.data);
}
END_TEST

START_TEST(counts_of_dead_workers_stay_in_the_sum)
{
	struct counts_sum sum;

	make();
	count_add(counts_of(0), COUNT_ACCEPTED, 10);
	add(0, "messages", 3);
	count_add(counts_of(1), COUNT_ACCEPTED, 1);
	add(1, "messages", 4);
	die(0);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 11);
	ck_assert_uint_eq(named(&sum, "messages"), 7);
	start(0);
	show(0);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 11);
	count_add(counts_of(0), COUNT_ACCEPTED, 100);
	die(0);
	start(0);
	die(1);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 111);
	shm_sum_worker(master, 0, &sum);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 0);
	unmake();
}
END_TEST

/* Neither a living worker's counts nor those of a dead one are carried over. */
START_TEST(the_next_listener_in_a_slot_begins_at_0)
{
	struct counts_sum sum;

	make();
	count_add(counts_of(0), COUNT_ACCEPTED, 10);
	add(0, "messages", 3);
	count_add(counts_of(1), COUNT_ACCEPTED, 20);
	die(1);
	start(1);
	shm_take_slot(master, SLOT);
	shm_give_slot(master, 0, SLOT);
	shm_give_slot(master, 1, SLOT);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 0);
	ck_assert_uint_eq(sum.named, 0);
	count_add(counts_of(0), COUNT_ACCEPTED, 1);
	add(0, "others", 2);
	count_add(counts_of(1), COUNT_ACCEPTED, 1);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 2);
	ck_assert_uint_eq(sum.named, 1);
	ck_assert_uint_eq(named(&sum, "others"), 2);
	unmake();
}
END_TEST

START_TEST(a_worker_counts_only_in_slots_that_it_was_given)
{
	struct counts *counts;
	struct counts_sum sum;

	make();
	counts = shm_own_counts(worker[0], 9, &counters);
	count_add(counts, COUNT_ACCEPTED, 1);
	sum = sum_of(9);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 0);
	shm_give_slot(master, 0, 9);
	sum = sum_of(9);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 1);
	/* Out of range, nothing is counted. */
	counts = shm_own_counts(worker[0], LISTENERS_MAX, &counters);
	count_add(counts, COUNT_ACCEPTED, 1);
	ck_assert_int_eq(counter_add(counts, counters, "x", 1), 0);
	sum = sum_of(LISTENERS_MAX);
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], 0);
	unmake();
}
END_TEST

START_TEST(names_may_come_at_any_time_up_to_a_limit)
{
	struct counts_sum sum;
	char name[COUNTER_NAME_MAX];

	make();
	for (unsigned int i = 0; i < COUNTERS_MAX; i++) {
		snprintf(name, sizeof(name), "name.%u", i);
		ck_assert_int_eq(add(0, name, i), 0);
		snprintf(name, sizeof(name), "other-%u", i);
		ck_assert_int_eq(add(1, name, 1), 0);
	}
	ck_assert_int_eq(add(0, "more", 1), -1);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_eq(add(0, "name.5", 10), 0);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(sum.named, 2 * COUNTERS_MAX);
	ck_assert_uint_eq(named(&sum, "name.5"), 15);
	ck_assert_uint_eq(named(&sum, "other-31"), 1);
	/* Names beyond the limit of the sum are left out; others still count. */
	add(2, "late", 1);
	add(2, "name.5", 1);
	sum = sum_of(SLOT);
	ck_assert_uint_eq(named(&sum, "late"), UINT64_MAX);
	ck_assert_uint_eq(named(&sum, "name.5"), 16);
	unmake();
}
END_TEST

/* A plugin can write anything into the row of its worker. */
START_TEST(what_makes_no_sense_is_skipped)
{
	struct counts_sum sum;

	make();
	add(0, "good", 1);
	add(0, "bad", 1);
	memset(counters[1].name, 'x', COUNTER_NAME_MAX);
	add(0, "worse", 1);
	strcpy(counters[2].name, "\x1b[2J");
	atomic_store(&counts_of(0)->named, UINT32_MAX);
	memset(counts_of(0)->value, 0xff, sizeof(counts_of(0)->value));
	sum = sum_of(SLOT);
	ck_assert_uint_eq(named(&sum, "good"), 1);
	for (unsigned int i = 0; i < sum.named; i++)
		ck_assert(counter_name_valid(sum.counters[i].name));
	ck_assert_uint_eq(sum.value[COUNT_ACCEPTED], UINT64_MAX);
	unmake();
}
END_TEST

/* Unused pages of a row take no memory, even when they are read. */
START_TEST(unused_counts_take_no_memory)
{
	struct stat before, after;
	struct counts_sum sum;

	make();
	counts_of(0);
	ck_assert_int_eq(fstat(row_fd(0), &before), 0);
	for (unsigned int i = 0; i < LISTENERS_MAX; i++)
		shm_sum_listener(master, i, &sum);
	shm_sum_worker(master, 0, &sum);
	ck_assert_int_eq(fstat(row_fd(0), &after), 0);
	ck_assert_int_eq(before.st_blocks, after.st_blocks);
	ck_assert_int_lt(after.st_blocks * 512, 64 << 10);
	unmake();
}
END_TEST

START_TEST(ticks_are_converted_to_microseconds)
{
	/* Some time to measure. */
	const struct timespec pause = { 0, 50000000 };
	uint64_t before, begin, end, after, ns, scale;

	make();
	scale = shm_tick_scale(worker[0]);
	/* In ticks the pause is longer than one span, and shorter than another. */
	before = ticks_now();
	ns = clock_ns();
	begin = ticks_now();
	nanosleep(&pause, NULL);
	end = ticks_now();
	ns = clock_ns() - ns;
	after = ticks_now();
	ck_assert_uint_le(ticks_half_us(end - begin, scale) / 2,
	    ns / 1000 + ns / 50000);
	ck_assert_uint_ge(ticks_half_us(after - before, scale) / 2 + ns / 50000,
	    ns / 1000);
	unmake();
}
END_TEST

START_TEST(buckets_are_powers_of_two)
{
	ck_assert_uint_eq(count_bucket(0), 0);
	ck_assert_uint_eq(count_bucket(1), 0);
	ck_assert_uint_eq(count_bucket(2 * 1), 1); /* 1 us */
	ck_assert_uint_eq(count_bucket(2 * 2 - 1), 1);
	ck_assert_uint_eq(count_bucket(2 * 2), 2);
	ck_assert_uint_eq(count_bucket(2 * 1023), 10);
	ck_assert_uint_eq(count_bucket(2 * 1024), 11);
}
END_TEST

static unsigned int sleep_ms; /* how long the callback takes, at least */

static ssize_t
on_data(struct sl_conn *conn, const void *buf, size_t len)
{
	const struct timespec pause = { 0, sleep_ms * 1000000 };

	nanosleep(&pause, NULL);
	ck_assert_int_eq(sl_count(sl_service(conn), "bytes", len), 0);
	return sl_write(conn, buf, len);
}

/* Callbacks that took at least 2^k microseconds. */
static uint64_t
from(const struct counts *counts, unsigned int k)
{
	uint64_t sum = 0;

	for (k++; k < COUNT_BUCKETS; k++)
		sum += counts->value[COUNT_CALLBACKS + k];
	return sum;
}

START_TEST(a_callback_is_counted_by_its_time)
{
	const struct sl_handlers handlers = {
		.size = sizeof(handlers),
		.data = on_data,
	};
	const struct counts *counts;
	char back[8];
	int fd;

	worker_begin(&handlers);
	callback_set_slow(60000); /* a busy machine may stop us in a callback */
	counts = worker_listener()->endpoint.counts;
	fd = worker_connect();
	sleep_ms = 3;
	peer_write(fd, "1", 1);
	ck_assert_uint_eq(from(counts, 0), 1);
	ck_assert_uint_eq(from(counts, 11), 1); /* over 2 ms */
	ck_assert_uint_eq(counts->value[COUNT_SLOW], 0);
	callback_set_slow(100);
	sleep_ms = 120;
	peer_write(fd, "22", 2);
	ck_assert_uint_eq(from(counts, 0), 2);
	ck_assert_uint_eq(from(counts, 16), 1); /* over 65 ms */
	ck_assert_uint_eq(counts->value[COUNT_SLOW], 1);
	peer_read(fd, back, 3);
	ck_assert_uint_eq(counts->value[COUNT_ACCEPTED], 1);
	ck_assert_uint_eq(counts->value[COUNT_BYTES_IN], 3);
	ck_assert_uint_eq(counts->value[COUNT_BYTES_OUT], 3);
	ck_assert_uint_eq(counts->value[COUNT_CLOSED + SL_WHY_PEER], 0);
	close(fd);
	worker_idle();
	ck_assert_uint_eq(counts->value[COUNT_CLOSED + SL_WHY_PEER], 1);
	ck_assert_uint_eq(worker_listener()->counters[0].value, 3);
	worker_end();
}
END_TEST

/* Here: for lack of an id, once the block from the master is used up. */
START_TEST(a_connection_that_cannot_be_made_counts_as_refused)
{
	const struct sl_handlers handlers = {
		.size = sizeof(handlers),
		.data = on_data,
	};
	const struct counts *counts;
	int fd;

	worker_begin(&handlers);
	counts = worker_listener()->endpoint.counts;
	while (shm_next_id(engine.shm) != 0)
		;
	fd = worker_connect();
	ck_assert_uint_eq(counts->value[COUNT_REFUSED_MEMORY], 1);
	ck_assert_uint_eq(counts->value[COUNT_ACCEPTED], 0);
	ck_assert_uint_eq(shm_connections(engine.shm, 0), 0);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_table_has_each_count_once,
		the_manual_describes_each_count,
		what_workers_count_is_added_up,
		counts_go_over_to_the_next_program,
		counts_of_dead_workers_stay_in_the_sum,
		the_next_listener_in_a_slot_begins_at_0,
		a_worker_counts_only_in_slots_that_it_was_given,
		names_may_come_at_any_time_up_to_a_limit,
		what_makes_no_sense_is_skipped,
		unused_counts_take_no_memory,
		ticks_are_converted_to_microseconds,
		buckets_are_powers_of_two,
		a_callback_is_counted_by_its_time,
		a_connection_that_cannot_be_made_counts_as_refused,
		NULL,
	};

	return fixture_run("counts", tests);
}

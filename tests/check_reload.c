/*
 * check_reload.c: what a reload remembers: who waits for it (waiters), a
 * generation on probation, and a canary.
 */

#include <sys/mman.h>

#include "base/log.h"
#include "config/settings.h"
#include "fixture.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "master/canary.h"
#include "master/gen.h"
#include "master/probation.h"
#include "master/verdict.h"
#include "master/waiters.h"

#define WORKERS 4

struct told {
	unsigned int count;
	bool good;
	char text[64];
	struct waiters *comes_back; /* adds itself again, when told */
	enum wait comes_for;
	const void *forgets;
};

static void
on_verdict(void *arg, bool good, const char *text)
{
	struct told *told = arg;
	struct reload_waiter waiter = { on_verdict, told };

	told->count++;
	told->good = good;
	snprintf(told->text, sizeof(told->text), "%s", text);
	if (told->comes_back != NULL) {
		waiters_add(told->comes_back, &waiter, told->comes_for, false);
		waiters_forget(told->comes_back, told->forgets);
	}
}

static int
add(struct waiters *waiters, struct told *told, enum wait what, bool inverse)
{
	struct reload_waiter waiter = { on_verdict, told };

	return waiters_add(waiters, &waiter, what, inverse);
}

START_TEST(each_waiter_is_told_once_by_the_next_reload)
{
	struct waiters waiters = { 0 };
	struct told first = { 0 }, late = { 0 }, inverse = { 0 };

	add(&waiters, &first, WAIT_RELOAD, false);
	waiters_tell(&waiters, true, "of one that ran before");
	ck_assert_uint_eq(first.count, 0);
	waiters_begin(&waiters, WAIT_RELOAD);
	add(&waiters, &late, WAIT_RELOAD, false);
	add(&waiters, &inverse, WAIT_RUNNING, true);
	waiters_tell(&waiters, false, "a\nb");
	ck_assert_uint_eq(first.count, 1);
	ck_assert(!first.good);
	ck_assert_str_eq(first.text, "a\nb");
	ck_assert_uint_eq(inverse.count, 1);
	ck_assert(inverse.good);
	ck_assert_uint_eq(late.count, 0);
	waiters_begin(&waiters, WAIT_RELOAD);
	waiters_tell(&waiters, true, "c");
	ck_assert_uint_eq(late.count, 1);
	ck_assert(late.good);
	ck_assert_uint_eq(first.count, 1);
	ck_assert_uint_eq(waiters.count, 0);
}
END_TEST

START_TEST(a_waiter_for_a_rollback_is_not_told_of_a_reload)
{
	struct waiters waiters = { 0 };
	struct told told = { 0 };

	add(&waiters, &told, WAIT_ROLLBACK, false);
	waiters_begin(&waiters, WAIT_RELOAD);
	waiters_tell(&waiters, true, "a reload");
	ck_assert_uint_eq(told.count, 0);
	waiters_begin(&waiters, WAIT_ROLLBACK);
	waiters_tell(&waiters, true, "the rollback");
	ck_assert_uint_eq(told.count, 1);
	ck_assert_str_eq(told.text, "the rollback");
}
END_TEST

START_TEST(the_number_of_waiters_is_limited)
{
	struct waiters waiters = { 0 };
	struct told told = { 0 };

	for (unsigned int i = 0; i < RELOAD_WAITERS_MAX; i++)
		ck_assert_int_eq(add(&waiters, &told, WAIT_RELOAD, false), 0);
	ck_assert_int_eq(add(&waiters, &told, WAIT_RELOAD, false), -1);
	waiters_tell_all(&waiters, "stopping");
	ck_assert_uint_eq(told.count, RELOAD_WAITERS_MAX);
	ck_assert(!told.good);
	ck_assert_int_eq(add(&waiters, &told, WAIT_RELOAD, false), 0);
}
END_TEST

START_TEST(a_waiter_that_is_added_when_told_waits_for_the_next)
{
	struct waiters waiters = { 0 };
	struct told told = { .comes_back = &waiters,
		.comes_for = WAIT_RUNNING };

	add(&waiters, &told, WAIT_RUNNING, false);
	waiters_tell(&waiters, true, "");
	ck_assert_uint_eq(told.count, 1);
	ck_assert_uint_eq(waiters.count, 1);
	waiters_tell(&waiters, true, "");
	ck_assert_uint_eq(told.count, 2);
}
END_TEST

START_TEST(a_waiter_that_is_forgotten_is_told_nothing)
{
	struct waiters waiters = { 0 };
	struct told stays = { 0 }, goes = { 0 };

	add(&waiters, &goes, WAIT_RELOAD, false);
	add(&waiters, &stays, WAIT_RELOAD, false);
	add(&waiters, &goes, WAIT_RUNNING, false);
	waiters_forget(&waiters, &goes);
	waiters_begin(&waiters, WAIT_RELOAD);
	waiters_tell(&waiters, true, "");
	ck_assert_uint_eq(goes.count, 0);
	ck_assert_uint_eq(stays.count, 1);
}
END_TEST

START_TEST(a_waiter_may_change_the_table_when_it_is_told)
{
	struct waiters waiters = { 0 };
	struct told other = { 0 },
		    told = { .comes_back = &waiters, .forgets = &other };

	add(&waiters, &told, WAIT_RELOAD, false);
	add(&waiters, &other, WAIT_RELOAD, false);
	waiters_begin(&waiters, WAIT_RELOAD);
	waiters_tell(&waiters, true, "");
	ck_assert_uint_eq(told.count, 1);
	ck_assert_uint_eq(other.count, 0);
	ck_assert_uint_eq(waiters.count, 1);
}
END_TEST

START_TEST(the_third_crash_on_probation_is_one_too_many)
{
	struct probation probation;

	probation_init(&probation);
	ck_assert(!probation_crash(&probation));
	probation_begin(&probation, 60000);
	ck_assert(!probation_crash(&probation));
	ck_assert(!probation_crash(&probation));
	ck_assert(probation_crash(&probation));
	ck_assert(!probation_crash(&probation)); /* returned once */
	probation_begin(&probation, 0);
	ck_assert(!probation_crash(&probation) &&
	    !probation_crash(&probation) && !probation_crash(&probation));
	probation_begin(&probation, 1000);
	probation.begun_ms -= 1001;
	ck_assert(!probation_crash(&probation) &&
	    !probation_crash(&probation) && !probation_crash(&probation));
	probation_begin(&probation, 1000);
	probation_crash(&probation);
	probation_crash(&probation);
	probation_begin(&probation, 1000); /* a new one begins at 0 */
	ck_assert(!probation_crash(&probation));
	probation_end(&probation);
	ck_assert(!probation_crash(&probation) && !probation_crash(&probation));
	probation_done(&probation);
}
END_TEST

static struct gen *
gen_of(uint32_t number, const char *bytes, size_t length)
{
	struct gen *gen = gen_new(number);

	ck_assert_ptr_nonnull(gen);
	gen->bundle_fd = memfd_create("bundle", MFD_CLOEXEC);
	ck_assert_int_ge(gen->bundle_fd, 0);
	ck_assert_int_eq(write(gen->bundle_fd, bytes, length), (int)length);
	return gen;
}

START_TEST(a_refused_generation_is_known_by_its_bytes)
{
	static char bytes[10000];
	struct gen *bad = gen_of(7, bytes, sizeof(bytes)),
		   *same = gen_of(9, bytes, sizeof(bytes)), *longer, *other;
	struct probation probation;

	longer = gen_of(9, bytes, sizeof(bytes) - 1);
	bytes[9999] = 'x';
	other = gen_of(9, bytes, sizeof(bytes));
	probation_init(&probation);
	ck_assert(!probation_knows(&probation, same));
	probation_remember(&probation, bad);
	gen_unref(bad);
	ck_assert(probation_knows(&probation, same));
	ck_assert(!probation_knows(&probation, longer));
	ck_assert(!probation_knows(&probation, other));
	ck_assert_uint_eq(probation.refused_number, 7);
	probation_remember(&probation, other);
	ck_assert(!probation_knows(&probation, same));
	probation_forget(&probation);
	ck_assert(!probation_knows(&probation, other));
	probation_done(&probation);
	gen_unref(same);
	gen_unref(longer);
	gen_unref(other);
}
END_TEST

static struct shm *workers[WORKERS];

static void
count_in(unsigned int slot, unsigned int worker, uint64_t closed,
    uint64_t failed)
{
	struct counter *counters;
	struct counts *counts =
	    shm_own_counts(workers[worker], slot, &counters);

	/* Two reasons, to check that all are summed up. */
	counts->value[COUNT_CLOSED + SL_WHY_PEER] = closed - closed / 2;
	counts->value[COUNT_CLOSED + SL_WHY_RESET] = closed / 2;
	counts->value[COUNT_FAILED] = failed;
}

static void
count(unsigned int worker, uint64_t closed, uint64_t failed)
{
	count_in(0, worker, closed, failed);
}

START_TEST(a_canary_is_compared_with_the_others)
{
	struct settings settings = { .canary = { .time_ms = 60000,
					 .errors = 10 } };
	uint32_t slots[] = { 0, 1, 2 };
	/* A connector in one worker, and one in each. */
	struct gen_socket sockets[] = {
		{ .endpoint = 0, .worker = 0 },
		{ .endpoint = 1, .worker = 0, .bare = true },
		{ .endpoint = 2, .worker = ALL_WORKERS, .bare = true },
	};
	struct gen next = {
		.settings = &settings,
		.slots = slots,
		.sockets = sockets,
		.socket_count = 3,
	};
	static struct canary canary;
	struct shm *shm;
	char text[160];
	uint32_t serial;

	shm = shm_new(WORKERS);
	ck_assert_ptr_nonnull(shm);
	for (unsigned int i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(shm_begin_row(shm, i), 0);
		workers[i] = shm_map(WORKERS, shm_head_fd(shm), i,
		    shm_row_fd(shm, i, &serial));
		ck_assert_ptr_nonnull(workers[i]);
		for (unsigned int slot = 0; slot < 3; slot++)
			shm_give_slot(shm, i, slot);
		count(i, 1000, 0);
	}
	canary.size = 1;
	for (uint32_t i = 0; i < WORKERS; i++)
		canary.place[i] = i;
	canary_begin(&canary, shm, WORKERS, &next);
	ck_assert(!canary_over(&canary));
	ck_assert(!canary_fails(&canary, shm, WORKERS, text));
	/* The peer of a connector is down, which only one worker can see. */
	count_in(1, 0, 500, 500);
	ck_assert(!canary_fails(&canary, shm, WORKERS, text));
	count_in(2, 0, 10, 10);
	ck_assert(canary_fails(&canary, shm, WORKERS, text));
	count_in(2, 0, 0, 0);
	/* The canary has had too few connections for a verdict. */
	count(0, 1009, 9);
	ck_assert(!canary_fails(&canary, shm, WORKERS, text));
	/* The others have had too few since: the time before the reload counts. */
	count(0, 1010, 2);
	ck_assert(canary_fails(&canary, shm, WORKERS, text));
	ck_assert_str_eq(text,
	    "20 % of 10 connections ended with an error, "
	    "and 0 % of 4000 before");
	/* The others are as bad or nearly as bad. */
	count(1, 1050, 5);
	count(2, 1050, 5);
	ck_assert(!canary_fails(&canary, shm, WORKERS, text));
	count(0, 1010, 3);
	ck_assert(canary_fails(&canary, shm, WORKERS, text));
	ck_assert_str_eq(text,
	    "30 % of 10 connections ended with an error, "
	    "and 10 % of 100 in the other workers");
	/* Another worker was restarted: its counts begin at 0. */
	count(3, 100, 100);
	ck_assert(!canary_fails(&canary, shm, WORKERS, text));
	canary.until_ms = 0;
	ck_assert(canary_over(&canary));
	for (unsigned int i = 0; i < WORKERS; i++)
		shm_free(workers[i]);
	shm_free(shm);
}
END_TEST

START_TEST(the_text_of_a_verdict_is_bounded)
{
	static struct verdict verdict;
	char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	verdict_clear(&verdict);
	verdict_say(&verdict, "%s", "once");
	verdict_say(&verdict, "%s", "once");
	verdict_add(&verdict, LOG_LEVEL_ERROR, "file", 7, "text");
	verdict_note(&verdict, "the end");
	ck_assert_str_eq(verdict.text, "once\nfile:7: text\nthe end");
	for (unsigned int i = 0; i < 20; i++)
		verdict_add(&verdict, LOG_LEVEL_ERROR, "file", i, line);
	verdict_note(&verdict, "the very end");
	ck_assert_uint_eq(verdict.problems, 22);
	ck_assert_uint_lt(strlen(verdict.text), VERDICT_TEXT_MAX);
	ck_assert_ptr_nonnull(strstr(verdict.text,
	    "\n... (the rest is in the log)\nthe very end"));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		each_waiter_is_told_once_by_the_next_reload,
		a_waiter_for_a_rollback_is_not_told_of_a_reload,
		the_number_of_waiters_is_limited,
		a_waiter_that_is_forgotten_is_told_nothing,
		a_waiter_that_is_added_when_told_waits_for_the_next,
		a_waiter_may_change_the_table_when_it_is_told,
		the_third_crash_on_probation_is_one_too_many,
		a_refused_generation_is_known_by_its_bytes,
		a_canary_is_compared_with_the_others,
		the_text_of_a_verdict_is_bounded,
		NULL,
	};

	return fixture_run("reload", tests);
}

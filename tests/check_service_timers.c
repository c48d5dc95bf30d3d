/* check_service_timers.c: timers of a plugin across versions of its service. */

#include "service_fixture.h"
#include "worker/conn.h"
#include "worker/engine.h"

static unsigned int fired1, fired2;

static void
timer1(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	(void)service;
	(void)c;
	fired1 += id;
}

static void
timer2(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	ck_assert_ptr_eq(service, worker_listener()->current);
	ck_assert(c == NULL || sl_service(c) == service);
	fired2 += id;
}

static void
begin_with_timers(void)
{
	begin();
	fired1 = fired2 = 0;
	worker_plugin()->descriptor.timer = timer1;
	second.descriptor.timer = timer2;
}

START_TEST(timers_set_by_old_code_fire_in_new_code)
{
	int fd;

	begin_with_timers();
	fd = worker_connect();
	ck_assert_int_eq(sl_timer(worker_listener()->current, NULL, 1, 20), 0);
	ck_assert_int_eq(sl_timer(worker_listener()->current,
			     TAILQ_FIRST(&worker_listener()->conns), 10, 20),
	    0);
	commit(prepare(ON_RELOAD_AUTO));
	while (fired1 + fired2 < 11)
		worker_pass(true);
	ck_assert_uint_eq(fired1, 0);
	ck_assert_uint_eq(fired2, 11);
	close(fd);
	end();
}
END_TEST

START_TEST(timers_move_with_their_state)
{
	int fd;

	begin_with_timers();
	fd = worker_connect();
	ck_assert_int_eq(sl_timer(worker_listener()->current, NULL, 1, 20), 0);
	commit(prepare(ON_RELOAD_DRAIN)); /* `start` does not run again */
	close(fd);
	worker_idle(); /* the old version ends */
	ck_assert(worker_listener()->current->timers != NULL || fired2 == 1);
	while (fired1 + fired2 < 1)
		worker_pass(true);
	ck_assert_uint_eq(fired2, 1);
	end();
}
END_TEST

static int
start_with_timer(struct sl_service *service)
{
	return sl_timer(service, NULL, 1, 1);
}

static struct sl_service *
prepare_with_timer(void)
{
	struct sl_service *next;

	fired2 = 0;
	second.descriptor.state_version = 2;
	second.descriptor.start = start_with_timer;
	second.descriptor.timer = timer2;
	next = prepare(ON_RELOAD_AUTO);
	while (LIST_EMPTY(&next->timers->held))
		worker_pass(true);
	ck_assert_uint_eq(fired2, 0);
	return next;
}

START_TEST(timers_of_a_prepared_version_wait_for_the_commit)
{
	begin();
	commit(prepare_with_timer());
	while (fired2 == 0)
		worker_pass(true);
	ck_assert_uint_eq(fired2, 1);
	end();
}
END_TEST

START_TEST(a_due_timer_waits_for_the_commit_outside_the_heap)
{
	struct sl_service *next;

	begin();
	next = prepare_with_timer();
	ck_assert_uint_eq(LIST_FIRST(&next->timers->held)->timer.index, 0);
	commit(next);
	worker_pass(false);
	ck_assert_uint_eq(fired2, 1);
	end();
}
END_TEST

START_TEST(a_timer_that_waits_for_the_commit_can_be_set_again)
{
	struct sl_service *next;

	begin();
	next = prepare_with_timer();
	ck_assert_int_eq(sl_timer(next, NULL, 1, 1), 0);
	ck_assert(LIST_EMPTY(&next->timers->held));
	while (LIST_EMPTY(&next->timers->held))
		worker_pass(true);
	ck_assert_int_eq(sl_timer(next, NULL, 1, 0), 0);
	ck_assert(LIST_EMPTY(&next->timers->held));
	ck_assert_int_eq(sl_timer(next, NULL, 1, 50), 0);
	commit(next);
	while (fired2 == 0)
		worker_pass(true);
	ck_assert_uint_eq(fired2, 1);
	end();
}
END_TEST

START_TEST(timers_of_an_aborted_reload_are_freed)
{
	struct sl_service *next;

	begin();
	fired1 = 0;
	worker_plugin()->descriptor.timer = timer1;
	next = prepare_with_timer();
	ck_assert_int_eq(sl_timer(next, NULL, 2, 5), 0);
	service_unref(next);
	worker_idle();
	ck_assert_int_eq(sl_timer(worker_listener()->current, NULL, 4, 10), 0);
	while (fired1 == 0)
		worker_pass(true);
	ck_assert_uint_eq(fired1, 4);
	ck_assert_uint_eq(fired2, 0);
	end();
}
END_TEST

static int
reload_with_timers(struct sl_service *next, struct sl_service *prev)
{
	(void)prev;
	ck_assert_int_eq(sl_timer(next, NULL, 1, 1), 0);
	return sl_timer(next, NULL, 4, 1);
}

START_TEST(timers_that_the_next_version_has_set_are_kept)
{
	struct sl_service *old;

	begin_with_timers();
	second.descriptor.reload = reload_with_timers;
	old = worker_listener()->current;
	ck_assert_int_eq(sl_timer(old, NULL, 1, 3600000), 0);
	ck_assert_int_eq(sl_timer(old, NULL, 2, 1), 0);
	commit(prepare(ON_RELOAD_AUTO));
	while (fired2 < 7)
		worker_pass(true);
	/* The old timer 1 would have fired by now. */
	worker_skip_ms(3600001);
	worker_pass(false);
	ck_assert_uint_eq(fired2, 7);
	ck_assert_uint_eq(fired1, 0);
	end();
}
END_TEST

/* The length of the longest chain of the hash table. */
static unsigned int
longest_chain(const struct ids *table)
{
	const struct id_entry *entry;
	unsigned int longest = 0, length;

	for (uint32_t i = 0; i < table->size; i++) {
		length = 0;
		for (entry = table->buckets[i]; entry != NULL;
		     entry = entry->next)
			length++;
		if (length > longest)
			longest = length;
	}
	return longest;
}

/* Their numbers are multiples of a power of two, bad for a weak hash. */
START_TEST(a_hundred_thousand_timers_are_found_quickly)
{
	enum { COUNT = 100000, STEP = 1 << 12 };
	struct plugin_timers *set;
	struct sl_service *old;
	struct sl_conn *conn;
	int fd;

	begin();
	fd = worker_connect();
	old = worker_listener()->current;
	conn = TAILQ_FIRST(&worker_listener()->conns);
	for (uint32_t i = 1; i <= COUNT; i++) {
		ck_assert_int_eq(sl_timer(old, NULL, i * STEP, 3600000), 0);
		ck_assert_int_eq(sl_timer(old, conn, i * STEP, 3600000), 0);
	}
	for (uint32_t i = 1; i <= COUNT; i += 2) /* set or cancel it again */
		ck_assert_int_eq(
		    sl_timer(old, NULL, i * STEP, i % 4 == 1 ? 0 : 7200000), 0);
	set = old->timers;
	ck_assert_uint_eq(set->ids.count, COUNT - COUNT / 4);
	ck_assert_uint_lt(longest_chain(&set->ids), 16);
	ck_assert_uint_lt(longest_chain(&conn->timers->ids), 16);
	/* The next version gets the whole set. */
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_ptr_eq(worker_listener()->current->timers, set);
	ck_assert_ptr_eq(set->service, worker_listener()->current);
	sweep();
	close(fd);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		timers_set_by_old_code_fire_in_new_code,
		timers_move_with_their_state,
		timers_of_a_prepared_version_wait_for_the_commit,
		a_due_timer_waits_for_the_commit_outside_the_heap,
		a_timer_that_waits_for_the_commit_can_be_set_again,
		timers_of_an_aborted_reload_are_freed,
		timers_that_the_next_version_has_set_are_kept,
		a_hundred_thousand_timers_are_found_quickly,
		NULL,
	};

	return fixture_run("service_timers", tests);
}

/* check_upstreams.c: what plugins connect to, from a worker to the master. */

#include "fixture.h"
#include "ipc/shm_internal.h"
#include "ipc/upstreams.h"
#include "shm_fixture.h"

#define NOW 1000000

static struct upstream_list list;

static struct upstream_state
state_of(const char *name, enum upstream_phase phase)
{
	struct upstream_state state = {
		.slot = 7,
		.phase = phase,
		.generation = 1,
		.since_ms = NOW - 5000,
		.tried_ms = NOW - 1000,
		.attempts = 10,
		.connected = 6,
		.failed = 3,
		.connecting = 1,
		.connections = 2,
	};

	strcpy(state.name, name);
	return state;
}

static const struct upstream_state *
only(void)
{
	const struct upstream_state *one;
	int32_t at;

	upstreams_free(&list);
	ck_assert_int_eq(upstreams_sum(master, NOW, &list), 0);
	one = upstreams_first(&list, 7, &at);
	if (one != NULL)
		ck_assert_ptr_null(upstreams_next(&list, &at));
	ck_assert_ptr_null(upstreams_first(&list, 8, &at));
	ck_assert_ptr_null(upstreams_first(&list, LISTENERS_MAX, &at));
	return one;
}

static void
end(void)
{
	upstreams_free(&list);
	unmake();
}

START_TEST(workers_are_added_up_and_the_last_attempt_says_how_it_is)
{
	struct upstream_state up = state_of("a:80", UPSTREAM_UP);
	struct upstream_state down = state_of("a:80", UPSTREAM_DOWN);
	const struct upstream_state *sum;

	make();
	ck_assert_ptr_null(only());
	strcpy(down.error, "refused");
	down.tried_ms = NOW - 100;
	down.since_ms = NOW - 200;
	down.in_a_row = 3;
	upstream_show(worker[0], 0, &up);
	upstream_show(worker[1], 0, &down);
	sum = only();
	ck_assert_str_eq(sum->name, "a:80");
	ck_assert_uint_eq(sum->attempts, 20);
	ck_assert_uint_eq(sum->connected, 12);
	ck_assert_uint_eq(sum->failed, 6);
	ck_assert_uint_eq(sum->connecting, 2);
	ck_assert_uint_eq(sum->connections, 4);
	ck_assert_uint_eq(sum->phase, UPSTREAM_DOWN);
	ck_assert_uint_eq(sum->since_ms, NOW - 200);
	ck_assert_uint_eq(sum->in_a_row, 3);
	up.tried_ms = NOW;
	upstream_show(worker[0], 0, &up);
	sum = only();
	ck_assert_uint_eq(sum->phase, UPSTREAM_UP);
	ck_assert_uint_eq(sum->in_a_row, 0);
	ck_assert_str_eq(sum->error, "refused");
	ck_assert_str_eq(upstream_phase_name(sum->phase), "up");
	ck_assert_str_eq(upstream_phase_name(77), "new");
	end();
}
END_TEST

START_TEST(sums_do_not_fall_when_a_worker_dies)
{
	struct upstream_state up = state_of("a:80", UPSTREAM_UP);
	const struct upstream_state *sum;

	make();
	upstream_show(worker[0], 0, &up);
	upstream_show(worker[1], 5, &up);
	die(0);
	sum = only();
	ck_assert_uint_eq(sum->attempts, 20);
	ck_assert_uint_eq(sum->connections, 2);
	/* Of those that nobody connects to any more only the sums are kept. */
	die(1);
	ck_assert_ptr_null(only());
	start(1);
	upstream_show(worker[1], 0, &up);
	ck_assert_uint_eq(only()->attempts, 30);
	end();
}
END_TEST

START_TEST(a_slot_that_is_anothers_shows_nothing)
{
	struct upstream_state up = state_of("a:80", UPSTREAM_UP);

	make();
	upstream_show(worker[0], 0, &up);
	die(0);
	start(0);
	upstream_show(worker[0], 0, &up);
	upstream_show(worker[1], 0, &up);
	ck_assert(!upstream_is_void(worker[0], 0));
	shm_take_slot(master, 7);
	ck_assert(upstream_is_void(worker[0], 0));
	shm_give_slot(master, 0, 7);
	ck_assert_ptr_null(only());
	upstream_show(worker[0], 0, &up);
	ck_assert_uint_eq(only()->attempts, 10);
	up.slot = 9; /* was not given */
	upstream_show(worker[0], 0, &up);
	ck_assert_ptr_null(only());
	end();
}
END_TEST

START_TEST(those_of_an_older_version_are_shown_for_a_while)
{
	struct upstream_state old = state_of("old:80", UPSTREAM_DOWN);
	struct upstream_state new = state_of("new:80", UPSTREAM_UP);
	int32_t at;

	make();
	old.connections = old.connecting = 0;
	old.tried_ms = NOW - 4 * 60 * 1000;
	new.generation = 2;
	upstream_show(worker[0], 0, &old);
	upstream_show(worker[0], 1, &new);
	ck_assert_int_eq(upstreams_sum(master, NOW, &list), 0);
	ck_assert_str_eq(upstreams_first(&list, 7, &at)->name, "old:80");
	ck_assert_str_eq(upstreams_next(&list, &at)->name, "new:80");
	old.tried_ms = NOW - 6 * 60 * 1000;
	upstream_show(worker[0], 0, &old);
	ck_assert_str_eq(only()->name, "new:80");
	/* One with connections matters, however old it is. */
	old.connections = 1;
	upstream_show(worker[0], 0, &old);
	upstreams_free(&list);
	ck_assert_int_eq(upstreams_sum(master, NOW, &list), 0);
	ck_assert_str_eq(upstreams_first(&list, 7, &at)->name, "old:80");
	end();
}
END_TEST

START_TEST(what_makes_no_sense_is_not_shown)
{
	struct upstream_state up = state_of("a:80", UPSTREAM_UP);
	struct upstream_place *place;

	make();
	upstream_show(worker[0], UPSTREAMS_MAX, &up);
	ck_assert_ptr_null(only());
	upstream_show(worker[0], 0, &up);
	place = &worker[0]->own_row->upstreams[0];
	memset(place->state.error, 'x', UPSTREAM_ERROR_MAX);
	memset(place->state.name, 'x', UPSTREAM_NAME_MAX);
	ck_assert_uint_eq(strlen(only()->error), UPSTREAM_ERROR_MAX - 1);
	ck_assert_uint_eq(strlen(only()->name), UPSTREAM_NAME_MAX - 1);
	place->state.slot = LISTENERS_MAX;
	ck_assert_ptr_null(only());
	place->state.slot = 7;
	place->state.phase = UPSTREAM_PHASES;
	ck_assert_ptr_null(only());
	upstream_show(worker[0], 0, &up);
	place->state.name[0] = '\0';
	ck_assert_ptr_null(only());
	upstream_show(worker[0], 0, &up);
	atomic_store(&worker[0]->own_row->upstreams_end, UINT32_MAX);
	ck_assert_ptr_nonnull(only());
	/* Half written: the process may have died meanwhile. */
	atomic_fetch_add(&place->changes, 1);
	ck_assert_ptr_null(only());
	end();
}
END_TEST

START_TEST(there_are_not_more_than_fit)
{
	struct upstream_state one;
	char name[32];

	make();
	for (unsigned int i = 0; i < WORKERS * UPSTREAMS_MAX; i++) {
		snprintf(name, sizeof(name), "host%u:80", i);
		one = state_of(name, UPSTREAM_UP);
		upstream_show(worker[i % WORKERS], i / WORKERS, &one);
	}
	ck_assert_int_eq(upstreams_sum(master, NOW, &list), 0);
	ck_assert_uint_eq(list.count, UPSTREAMS_SHOWN_MAX);
	for (unsigned int i = 0; i < WORKERS; i++) {
		die(i);
		start(i);
		one = state_of("other:80", UPSTREAM_UP);
		upstream_show(worker[i], 0, &one);
		die(i);
	}
	ck_assert_uint_eq(master->retired_upstreams.count, UPSTREAMS_SHOWN_MAX);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		workers_are_added_up_and_the_last_attempt_says_how_it_is,
		sums_do_not_fall_when_a_worker_dies,
		a_slot_that_is_anothers_shows_nothing,
		those_of_an_older_version_are_shown_for_a_while,
		what_makes_no_sense_is_not_shown,
		there_are_not_more_than_fit,
		NULL,
	};

	return fixture_run("upstreams", tests);
}

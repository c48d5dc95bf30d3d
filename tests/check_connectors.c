/* check_connectors.c: the master sees how the connectors of workers are doing. */

#include "fixture.h"
#include "ipc/connectors.h"
#include "ipc/shm_internal.h"
#include "shm_fixture.h"

static const struct connector_state up = {
	.phase = CONNECTOR_UP,
	.attempts = 3,
	.since_ms = 5,
	.error = "it broke",
};

START_TEST(a_state_is_seen_until_the_process_dies)
{
	struct connector_state state;

	make();
	ck_assert(!connector_see(master, 0, 7, &state));
	connector_show(worker[0], 7, &up);
	ck_assert(connector_see(master, 0, 7, &state));
	ck_assert_mem_eq(&state, &up, sizeof(up));
	ck_assert(!connector_see(master, 0, 8, &state));
	ck_assert(!connector_see(master, 1, 7, &state));
	die(0);
	ck_assert(!connector_see(master, 0, 7, &state));
	start(0);
	ck_assert(!connector_see(master, 0, 7, &state));
	unmake();
}
END_TEST

START_TEST(a_slot_that_was_not_given_or_is_anothers_shows_nothing)
{
	struct connector_state state;

	make();
	connector_show(worker[0], 9, &up);
	ck_assert(!connector_see(master, 0, 9, &state));
	connector_show(worker[0], LISTENERS_MAX, &up);
	connector_show(worker[0], 7, &up);
	shm_take_slot(master, 7);
	shm_give_slot(master, 0, 7);
	ck_assert(!connector_see(master, 0, 7, &state));
	connector_show(worker[0], 7, &up);
	ck_assert(connector_see(master, 0, 7, &state));
	unmake();
}
END_TEST

START_TEST(what_makes_no_sense_is_not_shown)
{
	struct connector_place *place;
	struct connector_state state;

	make();
	connector_show(worker[0], 7, &up);
	place = &worker[0]->own_row->connectors[7];
	memset(place->state.error, 'x', CONNECTOR_ERROR_MAX);
	ck_assert(connector_see(master, 0, 7, &state));
	ck_assert_uint_eq(strlen(state.error), CONNECTOR_ERROR_MAX - 1);
	place->state.phase = CONNECTOR_PHASES;
	ck_assert(!connector_see(master, 0, 7, &state));
	/* Half written: the process may have died meanwhile. */
	connector_show(worker[0], 7, &up);
	atomic_fetch_add(&place->changes, 1);
	ck_assert(!connector_see(master, 0, 7, &state));
	ck_assert_str_eq(connector_phase_name(CONNECTOR_UP), "up");
	ck_assert_str_eq(connector_phase_name(77), "none");
	unmake();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_state_is_seen_until_the_process_dies,
		a_slot_that_was_not_given_or_is_anothers_shows_nothing,
		what_makes_no_sense_is_not_shown,
		NULL,
	};

	return fixture_run("connectors", tests);
}

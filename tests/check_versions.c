/* check_versions.c: the master sees which versions each worker serves. */

#include "fixture.h"
#include "ipc/board.h"
#include "ipc/shm_internal.h"
#include "ipc/versions.h"
#include "master/draining.h"
#include "master/gen.h"
#include "master/slots.h"
#include "shm_fixture.h"

/* Returns how many versions the worker shows, and the last one of them. */
static unsigned int
look(unsigned int of, struct version_seen *ret_seen)
{
	unsigned int n = 0;
	uint32_t at = 0;

	while (version_next(master, of, &at, ret_seen))
		n++;
	return n;
}

START_TEST(a_version_is_seen_with_its_connections)
{
	struct version *old, *new;
	struct version_seen seen;

	make();
	ck_assert_uint_eq(look(0, &seen), 0);
	old = version_add(worker[0], board_code(1, 7));
	version_count(old, 1);
	version_count(old, 1);
	version_count(old, -1);
	atomic_store(&old->use, VERSION_STAYS);
	ck_assert_uint_eq(look(0, &seen), 1);
	ck_assert_uint_eq(seen.generation, 1);
	ck_assert_uint_eq(seen.slot, 7);
	ck_assert_uint_eq(seen.connections, 1);
	ck_assert(!seen.current);
	ck_assert(seen.stays);
	new = version_add(worker[0], board_code(2, 7));
	ck_assert_uint_eq(look(0, &seen), 2);
	ck_assert_uint_eq(seen.generation, 2);
	ck_assert_uint_eq(seen.connections, 0);
	ck_assert(seen.current);
	ck_assert(!seen.stays);
	ck_assert_uint_eq(look(1, &seen), 0);
	version_remove(worker[0], new);
	ck_assert_uint_eq(look(0, &seen), 1);
	ck_assert(versions_whole(master, 0));
	unmake();
}
END_TEST

START_TEST(the_versions_of_a_dead_process_are_not_shown)
{
	struct version_seen seen;

	make();
	ck_assert_ptr_nonnull(version_add(worker[0], board_code(1, 7)));
	die(0);
	ck_assert_uint_eq(look(0, &seen), 0);
	ck_assert(!versions_whole(master, 0));
	start(0);
	ck_assert_uint_eq(look(0, &seen), 0);
	ck_assert(versions_whole(master, 0));
	unmake();
}
END_TEST

START_TEST(places_are_used_again_and_running_out_is_noticed)
{
	struct version *first, *some, *version;
	struct version_seen seen;

	make();
	first = version_add(worker[0], board_code(1, 0));
	for (uint32_t i = 1; i < VERSIONS_MAX; i++) {
		version = version_add(worker[0], board_code(1, i % 1000));
		ck_assert_ptr_eq(version, first + i);
	}
	ck_assert(versions_whole(master, 0));
	ck_assert_uint_eq(look(0, &seen), VERSIONS_MAX);
	some = first + 500;
	version_remove(worker[0], some + 1);
	version_remove(worker[0], some);
	ck_assert_ptr_eq(version_add(worker[0], board_code(2, 1)), some);
	ck_assert_ptr_eq(version_add(worker[0], board_code(2, 2)), some + 1);
	ck_assert(versions_whole(master, 0));
	ck_assert_ptr_null(version_add(worker[0], board_code(2, 3)));
	ck_assert(!versions_whole(master, 0));
	unmake();
}
END_TEST

/* Plugin code can write anything there. */
START_TEST(what_makes_no_sense_is_skipped)
{
	struct version_seen seen;
	struct shm_row *row;

	make();
	row = worker[0]->own_row;
	ck_assert_ptr_nonnull(version_add(worker[0], board_code(1, 7)));
	ck_assert_ptr_nonnull(version_add(worker[0], board_code(1, 8)));
	atomic_store(&row->versions[0].code, board_code(3, LISTENERS_MAX));
	atomic_store(&row->versions[1].use, 77);
	atomic_store(&row->versions_end, UINT32_MAX);
	ck_assert_uint_eq(look(0, &seen), 1);
	ck_assert_uint_eq(seen.slot, 8);
	ck_assert(!seen.current);
	ck_assert(!seen.stays);
	unmake();
}
END_TEST

static char told[512];

static void
tell(void *arg, const struct origin *origin, const char *text)
{
	ck_assert_ptr_null(arg);
	ck_assert_ptr_null(origin);
	ck_assert_uint_lt(strlen(told) + strlen(text) + 2, sizeof(told));
	strcat(strcat(told, text), "\n");
}

static void
drains(unsigned int of, uint64_t code, uint32_t connections)
{
	struct version *version = version_add(worker[of], code);

	ck_assert_ptr_nonnull(version);
	atomic_store(&version->connections, connections);
	atomic_store(&version->use, VERSION_STAYS);
}

START_TEST(what_drains_is_told_for_listeners_that_exist)
{
	const struct gen_teller teller = { tell, NULL };
	struct slots *slots;
	uint32_t echo, chat;

	make();
	slots = slots_new(master);
	ck_assert_ptr_nonnull(slots);
	echo = slots_ref(slots, "echo");
	chat = slots_ref(slots, "chat");
	drains(0, board_code(1, echo), 3);
	drains(0, board_code(2, echo), 0);
	drains(1, board_code(1, echo), 4);
	/* These connections have somewhere to go. */
	version_count(version_add(worker[1], board_code(2, chat)), 1);
	/* Plugin code can write anything there. */
	drains(0, board_code(1, chat + 1), 5);
	drains(0, board_code(1, LISTENERS_MAX), 6);
	drains(0, board_code(1, UINT32_MAX), UINT32_MAX);
	drains(1, board_code(UINT32_MAX, echo), UINT32_MAX);
	told[0] = '\0';
	draining_tell(master, 2, slots, &teller);
	ck_assert_str_eq(told,
	    "echo: connections that stay on older code "
	    "until they end: 4294967302\n");
	slots_free(slots);
	unmake();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_version_is_seen_with_its_connections,
		the_versions_of_a_dead_process_are_not_shown,
		places_are_used_again_and_running_out_is_noticed,
		what_makes_no_sense_is_skipped,
		what_drains_is_told_for_listeners_that_exist,
		NULL,
	};

	return fixture_run("versions", tests);
}

/*
 * check_service.c: versions of a service: state and connections move from one
 * to the next, and every state is stopped once.
 */

#include "service_fixture.h"

START_TEST(equal_state_versions_carry_state_and_connections_on)
{
	int fd;

	begin();
	fd = worker_connect();
	ck_assert_int_eq(answer(fd), '1');
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_int_eq(answer(fd), '2');
	worker_idle();
	ck_assert_str_eq(calls, ""); /* `start` and `stop` are not called */
	ck_assert_ptr_eq(sl_service_data(worker_listener()->current), &state1);
	close(fd);
	end();
	ck_assert_str_eq(calls, "stop2-of-1"); /* once, by its last version */
}
END_TEST

START_TEST(an_aborted_version_that_shares_state_is_not_stopped)
{
	begin();
	service_unref(prepare(ON_RELOAD_AUTO));
	service_end_unused();
	ck_assert_str_eq(calls, "");
	end();
	ck_assert_str_eq(calls, "stop1");
}
END_TEST

START_TEST(an_aborted_version_with_its_own_state_is_stopped)
{
	begin();
	second.descriptor.state_version = 2;
	service_unref(prepare(ON_RELOAD_AUTO));
	service_end_unused();
	ck_assert_str_eq(calls, "start2 stop2");
	forget_calls();
	end();
	ck_assert_str_eq(calls, "stop1");
}
END_TEST

START_TEST(a_failed_start_is_not_stopped_and_changes_nothing)
{
	int fd;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.start = failing_start;
	fd = worker_connect();
	ck_assert_ptr_null(prepare(ON_RELOAD_AUTO));
	service_end_unused();
	ck_assert_str_eq(calls, "start?");
	ck_assert_int_eq(answer(fd), '1');
	close(fd);
	end();
}
END_TEST

START_TEST(connections_of_another_state_version_stay_on_old_code)
{
	int old, new;

	begin();
	second.descriptor.state_version = 2;
	old = worker_connect();
	commit(prepare(ON_RELOAD_AUTO));
	new = worker_connect();
	ck_assert_int_eq(answer(old), '1');
	ck_assert_int_eq(answer(new), '2');
	ck_assert_str_eq(calls, "start2");
	close(old);
	worker_idle();
	ck_assert_str_eq(calls,
	    "start2 stop1"); /* when its last connection ends */
	close(new);
	end();
	ck_assert_str_eq(calls, "start2 stop1 stop2");
}
END_TEST

START_TEST(another_plugin_never_gets_foreign_connections)
{
	int fd;

	begin();
	second.descriptor.name = "other";
	fd = worker_connect();
	commit(prepare(ON_RELOAD_SWAP));
	ck_assert_int_eq(answer(fd), '1');
	close(fd);
	end();
}
END_TEST

START_TEST(migrate_comes_before_the_first_event_in_new_code)
{
	int fd;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	fd = worker_connect();
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_str_eq(calls, "start2");
	ck_assert_int_eq(answer(fd), '2');
	ck_assert_str_eq(calls, "start2 migrate stop1");
	close(fd);
	end();
}
END_TEST

START_TEST(a_refused_migration_leaves_the_connection_on_old_code)
{
	int fd;

	begin();
	migrate_result = -1;
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	fd = worker_connect();
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_int_eq(answer(fd), '1');
	ck_assert_int_eq(answer(fd), '1');
	ck_assert_str_eq(calls,
	    "start2 migrate"); /* `migrate` was called once */
	close(fd);
	end();
}
END_TEST

START_TEST(migrations_are_counted)
{
	struct sl_service *prev;
	int fd, refused;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	fd = worker_connect();
	prev = worker_listener()->current;
	service_ref(prev);
	migrate_result = -1;
	commit(prepare(ON_RELOAD_AUTO));
	refused = fd;
	sweep();
	ck_assert_uint_eq(worker_listener()->current->migrated, 0);
	ck_assert_uint_eq(worker_listener()->current->refused, 1);
	ck_assert_uint_eq(prev->stayed, 1);
	service_unref(prev);
	fd = worker_connect();
	ck_assert_int_eq(answer(fd), '2');
	ck_assert_int_eq(answer(refused), '1');
	ck_assert_uint_eq(worker_listener()->current->refused, 1);
	close(refused);
	close(fd);
	end();
}
END_TEST

START_TEST(a_connection_that_stays_does_not_keep_later_versions)
{
	struct sl_service *v2;
	int fd;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	fd = worker_connect();
	migrate_result = -1;
	commit(prepare(ON_RELOAD_AUTO));
	v2 = worker_listener()->current;
	service_ref(v2);
	sweep();
	commit(prepare(ON_RELOAD_AUTO));
	sweep();
	ck_assert_uint_eq(v2->refs, 1); /* ours */
	service_unref(v2);
	service_end_unused();
	ck_assert_int_eq(answer(fd), '1');
	ck_assert_str_eq(calls,
	    "start2 migrate"); /* the third version has the state of the second */
	close(fd);
	worker_idle();
	ck_assert_str_eq(calls, "start2 migrate stop1");
	end();
}
END_TEST

/* The same for versions that share a state. */
START_TEST(a_connection_that_stays_keeps_only_the_shared_state)
{
	struct sl_service *v2, *v3;
	int fd;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	second.descriptor.reload = reload2;
	reload_shares = true;
	migrate_result = -1;
	fd = worker_connect();
	commit(prepare(ON_RELOAD_AUTO));
	v2 = worker_listener()->current;
	service_ref(v2);
	sweep();
	commit(prepare(ON_RELOAD_AUTO));
	v3 = worker_listener()->current;
	service_ref(v3);
	sweep();
	ck_assert_uint_eq(v2->refs, 1); /* ours */
	service_unref(v2);
	service_end_unused();
	forget_calls();
	/* The fourth version has a state of its own. */
	reload_shares = false;
	commit(prepare(ON_RELOAD_AUTO));
	sweep();
	service_unref(v3);
	service_end_unused();
	ck_assert_int_eq(answer(fd), '1');
	ck_assert_str_eq(calls,
	    "reload2"); /* the connection still uses the old state */
	forget_calls();
	close(fd);
	worker_idle();
	ck_assert_str_eq(calls, "stop2-of-1");
	forget_calls();
	end();
	ck_assert_str_eq(calls, "stop2");
}
END_TEST

START_TEST(a_shared_state_is_stopped_by_its_latest_version)
{
	int fd;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	second.descriptor.reload = reload2;
	reload_shares = true;
	fd = worker_connect();
	migrate_result = -1;
	commit(prepare(
	    ON_RELOAD_AUTO)); /* the state moves, the connection stays */
	sweep();
	ck_assert_int_eq(answer(fd), '1');
	close(fd);
	worker_idle();
	ck_assert_str_eq(calls, "reload2 migrate");
	end();
	ck_assert_str_eq(calls, "reload2 migrate stop2-of-1");
}
END_TEST

START_TEST(on_reload_close_closes_and_drain_drains)
{
	char byte;
	int fd;

	begin();
	fd = worker_connect();
	commit(prepare(ON_RELOAD_DRAIN));
	ck_assert_int_eq(answer(fd), '1');
	close(fd);
	worker_idle();
	fd = worker_connect();
	commit(prepare(ON_RELOAD_CLOSE));
	listener_sweep(worker_listener(), 10);
	ck_assert_int_eq(peer_read_to_end(fd, &byte, 1), 0);
	close(fd);
	end();
}
END_TEST

START_TEST(reload_may_share_the_state_or_make_its_own)
{
	begin();
	second.descriptor.reload = reload2;
	reload_shares = true;
	commit(prepare(ON_RELOAD_AUTO));
	worker_idle();
	ck_assert_str_eq(calls, "reload2");
	reload_shares = false;
	commit(prepare(ON_RELOAD_AUTO));
	worker_idle();
	/* The second version, its last owner, has stopped the first state. */
	ck_assert_str_eq(calls, "reload2 reload2 stop2-of-1");
	end();
	ck_assert_str_eq(calls, "reload2 reload2 stop2-of-1 stop2");
}
END_TEST

static uint32_t told_version;

static int
reload_asks(struct sl_service *next, struct sl_service *prev)
{
	called("reload2");
	told_version = sl_state_version(prev);
	ck_assert_uint_eq(sl_state_version(next), 3);
	sl_set_service_data(next, &state2);
	return 0;
}

START_TEST(reload_is_told_of_which_version_the_state_is)
{
	begin();
	second.descriptor.state_version = 3;
	second.descriptor.reload = reload_asks;
	commit(prepare(ON_RELOAD_AUTO));
	worker_idle();
	ck_assert_str_eq(calls, "reload2 stop1");
	ck_assert_uint_eq(told_version, 1);
	ck_assert_uint_eq(sl_state_version(NULL), 0);
	end();
}
END_TEST

/* As after a rollback: it cannot know what newer code has made. */
START_TEST(reload_never_gets_a_newer_state)
{
	static const int64_t ways[] = { ON_RELOAD_AUTO, ON_RELOAD_SWAP };
	int old, new;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		begin();
		second.descriptor.state_version = 0;
		second.descriptor.reload = reload2;
		old = worker_connect();
		commit(prepare(ways[i]));
		new = worker_connect();
		ck_assert_str_eq(calls, "start2");
		ck_assert_int_eq(answer(old), '1');
		ck_assert_int_eq(answer(new), '2');
		close(old);
		worker_idle();
		ck_assert_str_eq(calls, "start2 stop1");
		close(new);
		end();
	}
}
END_TEST

START_TEST(a_connection_moves_along_versions_until_one_drains)
{
	struct sl_service *v2;
	int first, second_fd;

	begin();
	first = worker_connect(); /* under version 1 */
	commit(prepare(ON_RELOAD_AUTO));
	v2 = worker_listener()->current;
	second_fd = worker_connect();
	commit(prepare(ON_RELOAD_DRAIN)); /* version 3 drains version 2 */
	ck_assert_int_eq(answer(first), '2');
	ck_assert_ptr_eq(sl_service(TAILQ_FIRST(&worker_listener()->conns)),
	    v2);
	close(first);
	close(second_fd);
	end();
}
END_TEST

START_TEST(a_draining_version_does_not_keep_later_ones)
{
	struct sl_service *v2;
	int fd;

	begin();
	fd = worker_connect(); /* under version 1, where it stays */
	commit(prepare(ON_RELOAD_DRAIN));
	v2 = worker_listener()->current;
	service_ref(v2);
	commit(prepare(ON_RELOAD_AUTO));
	worker_idle();
	ck_assert_uint_eq(v2->refs, 1); /* ours */
	service_unref(v2);
	ck_assert_int_eq(answer(fd), '1');
	close(fd);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		equal_state_versions_carry_state_and_connections_on,
		an_aborted_version_that_shares_state_is_not_stopped,
		an_aborted_version_with_its_own_state_is_stopped,
		a_failed_start_is_not_stopped_and_changes_nothing,
		connections_of_another_state_version_stay_on_old_code,
		another_plugin_never_gets_foreign_connections,
		migrate_comes_before_the_first_event_in_new_code,
		a_refused_migration_leaves_the_connection_on_old_code,
		migrations_are_counted,
		a_connection_that_stays_does_not_keep_later_versions,
		a_connection_that_stays_keeps_only_the_shared_state,
		a_shared_state_is_stopped_by_its_latest_version,
		on_reload_close_closes_and_drain_drains,
		reload_may_share_the_state_or_make_its_own,
		reload_is_told_of_which_version_the_state_is,
		reload_never_gets_a_newer_state,
		a_connection_moves_along_versions_until_one_drains,
		a_draining_version_does_not_keep_later_ones,
		NULL,
	};

	return fixture_run("service", tests);
}

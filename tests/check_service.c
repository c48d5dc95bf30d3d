/*
 * check_service.c: versions of a service: what is carried from one to the
 * next, how connections follow, and that every state is stopped once.
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
	ck_assert_str_eq(calls, ""); /* neither started nor stopped */
	ck_assert_ptr_eq(sl_service_data(worker_listener()->current), &state1);
	close(fd);
	end();
	ck_assert_str_eq(calls, "stop2-of-1"); /* once, by who has it last */
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

START_TEST(a_failing_start_is_not_stopped_and_harms_nobody)
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

START_TEST(other_state_versions_drain_on_the_old_code)
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
	ck_assert_str_eq(calls, "start2 stop1"); /* with its last connection */
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

START_TEST(a_refused_migration_leaves_it_on_the_old_code)
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
	ck_assert_str_eq(calls, "start2 migrate"); /* asked once */
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

START_TEST(who_refused_to_migrate_does_not_keep_later_versions)
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
	ck_assert_str_eq(calls, "start2 migrate"); /* the state goes on */
	close(fd);
	worker_idle();
	ck_assert_str_eq(calls, "start2 migrate stop1");
	end();
}
END_TEST

/* Versions that share a state are kept by nobody but who uses them. */
START_TEST(nor_do_they_where_versions_share_the_state)
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
	/* Now the state of the first three is not that of the fourth. */
	reload_shares = false;
	commit(prepare(ON_RELOAD_AUTO));
	sweep();
	service_unref(v3);
	service_end_unused();
	ck_assert_int_eq(answer(fd), '1');
	ck_assert_str_eq(calls, "reload2"); /* who stays still uses it */
	forget_calls();
	close(fd);
	worker_idle();
	ck_assert_str_eq(calls, "stop2-of-1");
	forget_calls();
	end();
	ck_assert_str_eq(calls, "stop2");
}
END_TEST

START_TEST(a_shared_state_is_stopped_by_the_youngest_who_has_it)
{
	int fd;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	second.descriptor.reload = reload2;
	reload_shares = true;
	fd = worker_connect();
	migrate_result = -1;
	commit(prepare(ON_RELOAD_AUTO)); /* the state comes, who has it stays */
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
	/* The first state ended with the second version, its last owner. */
	ck_assert_str_eq(calls, "reload2 reload2 stop2-of-1");
	end();
	ck_assert_str_eq(calls, "reload2 reload2 stop2-of-1 stop2");
}
END_TEST

START_TEST(a_chain_of_versions_takes_each_connection_as_far_as_it_goes)
{
	struct sl_service *v2;
	int first, second_fd;

	begin();
	first = worker_connect(); /* under version 1 */
	commit(prepare(ON_RELOAD_AUTO));
	v2 = worker_listener()->current;
	second_fd = worker_connect();
	commit(prepare(ON_RELOAD_DRAIN)); /* the third drains the second */
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
	fd = worker_connect(); /* under version 1, and stays there */
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
		a_failing_start_is_not_stopped_and_harms_nobody,
		other_state_versions_drain_on_the_old_code,
		another_plugin_never_gets_foreign_connections,
		migrate_comes_before_the_first_event_in_new_code,
		a_refused_migration_leaves_it_on_the_old_code,
		migrations_are_counted,
		who_refused_to_migrate_does_not_keep_later_versions,
		nor_do_they_where_versions_share_the_state,
		a_shared_state_is_stopped_by_the_youngest_who_has_it,
		on_reload_close_closes_and_drain_drains,
		reload_may_share_the_state_or_make_its_own,
		a_chain_of_versions_takes_each_connection_as_far_as_it_goes,
		a_draining_version_does_not_keep_later_ones,
		NULL,
	};

	return fixture_run("service", tests);
}

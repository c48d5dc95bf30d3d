/*
 * check_service.c: versions of a service: what is carried from one to the
 * next, how connections follow, and that every state is stopped once.
 */

#include <check.h>
#include <errno.h>
#include <sluice.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "config/settings.h"
#include "fixture.h"
#include "ipc/versions.h"
#include "worker/accept.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/generation.h"
#include "worker/listener.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker_fixture.h"

static char calls[256]; /* "s1 r2 x1": what was called, of which plugin */
static int migrate_result;
static bool reload_shares;

static void
called(const char *what)
{
	if (calls[0] != '\0')
		strcat(calls, " ");
	strcat(calls, what);
}

static void
forget_calls(void)
{
	calls[0] = '\0';
}

static char state1, state2;

static int
start1(struct sl_service *service)
{
	called("start1");
	sl_set_service_data(service, &state1);
	return 0;
}

static int
start2(struct sl_service *service)
{
	called("start2");
	sl_set_service_data(service, &state2);
	return 0;
}

static int
failing_start(struct sl_service *service)
{
	(void)service;
	called("start?");
	return -1;
}

static int
reload2(struct sl_service *next, struct sl_service *prev)
{
	called("reload2");
	sl_set_service_data(next,
	    reload_shares ? sl_service_data(prev) : &state2);
	return 0;
}

static void
stop1(struct sl_service *service)
{
	called(sl_service_data(service) == &state1 ? "stop1" : "stop1?");
}

static void
stop2(struct sl_service *service)
{
	called(sl_service_data(service) == &state2 ? "stop2" : "stop2-of-1");
}

static int
migrate2(struct sl_conn *c, uint32_t from_version)
{
	/* It comes to this service, and walking over the others is fine. */
	ck_assert_ptr_eq(sl_service(c), worker_listener()->current);
	for (struct sl_conn *o = sl_first(sl_service(c)); o != NULL;
	     o = sl_next(o))
		ck_assert_ptr_eq(sl_service(o), sl_service(c));
	called(from_version == 1 ? "migrate" : "migrate?");
	return migrate_result;
}

static ssize_t
data1(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	sl_write(c, "1", 1);
	return len;
}

static ssize_t
data2(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	sl_write(c, "2", 1);
	return len;
}

static const struct sl_handlers handlers1 = {
	.size = sizeof(handlers1),
	.data = data1,
};

static struct plugin second;

static void
begin(void)
{
	forget_calls();
	migrate_result = 0;
	reload_shares = false;
	worker_begin(&handlers1);
	memset(&second, 0, sizeof(second));
	second.refs = 1;
	second.descriptor.name = "test";
	second.descriptor.version = "2";
	second.descriptor.state_version = 1;
	second.descriptor.start = start2;
	second.descriptor.stop = stop2;
	second.server.size = sizeof(second.server);
	second.server.data = data2;
	second.client = second.server;
	/* The fixture's service has started already, without a start. */
	worker_plugin()->descriptor.state_version = 1;
	worker_plugin()->descriptor.start = start1;
	worker_plugin()->descriptor.stop = stop1;
	sl_set_service_data(worker_listener()->current, &state1);
}

/* PREPARE. */
static struct sl_service *
prepare(int64_t on_reload)
{
	struct error err;

	second.refs++;
	return service_new(worker_listener(), &second, NULL, 2,
	    worker_listener()->current, on_reload, &err);
}

/* COMMIT. */
static void
commit(struct sl_service *next)
{
	struct listener *listener = worker_listener();

	service_commit(listener, next);
	listener_begin_sweep(listener);
}

static char
answer(int fd)
{
	char byte = 'x';

	peer_write(fd, "?", 1);
	peer_read(fd, &byte, 1);
	return byte;
}

static void
end(void)
{
	worker_end();
}

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

/* The sweep of a commit, to its end. */
static void
sweep(void)
{
	while (listener_sweep(worker_listener(), 1) == 1)
		;
	service_end_unused();
}

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

/* Connections of a version, as the master sees them. */
static uint32_t
shown(const struct sl_service *service)
{
	return atomic_load(&service->version->connections);
}

START_TEST(a_sweep_takes_the_quiet_ones_a_few_at_a_time)
{
	enum { COUNT = 25 };
	struct sl_service *prev;
	int fds[COUNT];

	begin();
	for (int i = 0; i < COUNT; i++)
		fds[i] = worker_connect();
	prev = worker_listener()->current;
	service_ref(prev);
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_uint_eq(prev->refs, 1 + COUNT);
	ck_assert_uint_eq(shown(prev), COUNT);
	ck_assert_uint_eq(listener_sweep(worker_listener(), 10), 10);
	ck_assert_uint_eq(prev->refs, 1 + COUNT - 10);
	ck_assert_uint_eq(shown(prev), COUNT - 10);
	ck_assert_uint_eq(shown(worker_listener()->current), 10);
	ck_assert_uint_eq(listener_sweep(worker_listener(), 10), 10);
	ck_assert_uint_eq(listener_sweep(worker_listener(), 10), 5);
	ck_assert_uint_eq(prev->refs, 1);
	ck_assert_uint_eq(shown(prev), 0);
	service_unref(prev);
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
	worker_idle();
	ck_assert_uint_eq(shown(worker_listener()->current), 0);
	end();
}
END_TEST

/* The last one that was to be asked ends before it is. */
START_TEST(a_sweep_ends_whoever_ends_during_it)
{
	struct sl_service *prev;
	int fd, gone;

	begin();
	second.descriptor.state_version = 2;
	second.descriptor.migrate = migrate2;
	migrate_result = -1;
	fd = worker_connect();
	gone = worker_connect();
	prev = worker_listener()->current;
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_uint_eq(listener_sweep(worker_listener(), 1), 1);
	ck_assert(worker_listener()->sweeping);
	ck_assert(!worker_listener()->current->told);
	ck_assert_ptr_nonnull(prev->successor);
	close(gone);
	worker_idle();
	ck_assert(!worker_listener()->sweeping);
	ck_assert(worker_listener()->current->told);
	ck_assert_ptr_null(prev->successor);
	close(fd);
	end();
}
END_TEST

/* The after-pass comes often, and most listeners have nothing for it. */
START_TEST(only_listeners_with_work_are_looked_at)
{
	int fd;

	begin();
	ck_assert(LIST_EMPTY(&listeners_due));
	fd = worker_connect();
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_ptr_eq(LIST_FIRST(&listeners_due), worker_listener());
	ck_assert(!generation_sweep());
	generation_reap();
	ck_assert(LIST_EMPTY(&listeners_due));
	close(fd);
	worker_idle();
	ck_assert(LIST_EMPTY(&listeners_due));
	end();
}
END_TEST

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

START_TEST(timers_set_by_old_code_fire_in_new_code)
{
	int fd;

	begin();
	fired1 = fired2 = 0;
	worker_plugin()->descriptor.timer = timer1;
	second.descriptor.timer = timer2;
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

START_TEST(timers_of_a_state_go_where_the_state_goes)
{
	int fd;

	begin();
	fired1 = fired2 = 0;
	worker_plugin()->descriptor.timer = timer1;
	second.descriptor.timer = timer2;
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

START_TEST(a_timer_that_waits_for_the_commit_costs_nothing_and_is_not_late)
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

START_TEST(a_reload_that_is_called_off_takes_its_timers_along)
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

START_TEST(timers_that_the_successor_has_set_stand)
{
	struct sl_service *old;

	begin();
	fired1 = fired2 = 0;
	worker_plugin()->descriptor.timer = timer1;
	second.descriptor.timer = timer2;
	second.descriptor.reload = reload_with_timers;
	old = worker_listener()->current;
	ck_assert_int_eq(sl_timer(old, NULL, 1, 3600000), 0);
	ck_assert_int_eq(sl_timer(old, NULL, 2, 1), 0);
	commit(prepare(ON_RELOAD_AUTO));
	while (fired2 < 7)
		worker_pass(true);
	/* The hour of the old timer 1 is over as well. */
	worker_skip_ms(3600001);
	worker_pass(false);
	ck_assert_uint_eq(fired2, 7);
	ck_assert_uint_eq(fired1, 0);
	end();
}
END_TEST

/* How many entries are looked at, at most, to find one. */
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

/* Their numbers are those that a bad hash likes least. */
START_TEST(timers_by_the_hundred_thousand_hold_up_nobody)
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
	for (uint32_t i = 1; i <= COUNT; i += 2) /* again, and away */
		ck_assert_int_eq(
		    sl_timer(old, NULL, i * STEP, i % 4 == 1 ? 0 : 7200000), 0);
	set = old->timers;
	ck_assert_uint_eq(set->ids.count, COUNT - COUNT / 4);
	ck_assert_uint_lt(longest_chain(&set->ids), 16);
	ck_assert_uint_lt(longest_chain(&conn->timers->ids), 16);
	/* They are handed on as they are. */
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_ptr_eq(worker_listener()->current->timers, set);
	ck_assert_ptr_eq(set->service, worker_listener()->current);
	sweep();
	close(fd);
	end();
}
END_TEST

static struct sl_service *foreign;
static int own_errno, foreign_errno;

static ssize_t
stop_both(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	ck_assert_int_eq(sl_stop(sl_service(c), 0), -1);
	own_errno = errno;
	ck_assert_int_eq(sl_stop(foreign, 0), -1);
	foreign_errno = errno;
	return len;
}

START_TEST(only_its_own_services_can_a_plugin_stop)
{
	struct listener *other;
	struct error err;
	int fd;

	begin();
	worker_plugin()->server.data = stop_both;
	second.descriptor.name = "other";
	second.refs++;
	other = listener_new("other", 1);
	foreign =
	    service_new(other, &second, NULL, 1, NULL, ON_RELOAD_AUTO, &err);
	service_commit(other, foreign);
	fd = worker_connect();
	peer_write(fd, "?", 1);
	ck_assert_int_eq(own_errno, ENOTCONN); /* there is no master here */
	ck_assert_int_eq(foreign_errno, EPERM);
	/* Nor can anybody who is in no callback, a thread for one. */
	ck_assert_int_eq(sl_stop(foreign, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	close(fd);
	listener_free(other);
	end();
}
END_TEST

static char stopped[64];

static int
terminate_in_open(struct sl_conn *c)
{
	return sl_terminate(c);
}

static void
name_in_stop(struct sl_service *service)
{
	strcpy(stopped, sl_service_name(service));
}

/* A listener of its own on a socket with one client that waits. */
static struct listener *
listener_with_client(int *ret_client)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct listener *listener = listener_new("gone", 1);
	struct acceptor *acceptor;
	struct error err;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	listener_configure(listener, worker_settings());
	second.refs++;
	service_commit(listener,
	    service_new(listener, &second, NULL, 1, NULL, ON_RELOAD_AUTO,
		&err));
	/* Bound to no name, the kernel finds one. */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa_family_t)),
	    0);
	ck_assert_int_eq(listen(fd, 1), 0);
	acceptor = acceptor_new(listener, fd, 1, 0);
	TAILQ_INSERT_TAIL(&listener->acceptors, acceptor, link);
	acceptor_start(acceptor);
	LIST_INSERT_HEAD(&listeners, listener, link);
	socklen_t len = sizeof(sa);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*ret_client = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(*ret_client, (struct sockaddr *)&sa, len), 0);
	return listener;
}

START_TEST(a_listener_outlives_the_last_of_its_connections)
{
	struct listener *listener;
	int client;

	begin();
	stopped[0] = '\0';
	second.server.open = terminate_in_open;
	second.descriptor.stop = name_in_stop;
	listener = listener_with_client(&client);
	/* The client is accepted, and ended at once; then nobody is left. */
	listener_drain(listener, 1000);
	generation_reap();
	worker_idle();
	generation_reap();
	ck_assert_str_eq(stopped, "gone");
	ck_assert(LIST_EMPTY(&listeners));
	close(client);
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
		a_sweep_takes_the_quiet_ones_a_few_at_a_time,
		a_sweep_ends_whoever_ends_during_it,
		only_listeners_with_work_are_looked_at,
		timers_set_by_old_code_fire_in_new_code,
		a_chain_of_versions_takes_each_connection_as_far_as_it_goes,
		a_draining_version_does_not_keep_later_ones,
		timers_of_a_state_go_where_the_state_goes,
		timers_of_a_prepared_version_wait_for_the_commit,
		a_timer_that_waits_for_the_commit_costs_nothing_and_is_not_late,
		a_timer_that_waits_for_the_commit_can_be_set_again,
		a_reload_that_is_called_off_takes_its_timers_along,
		timers_that_the_successor_has_set_stand,
		timers_by_the_hundred_thousand_hold_up_nobody,
		only_its_own_services_can_a_plugin_stop,
		a_listener_outlives_the_last_of_its_connections,
		NULL,
	};

	return fixture_run("service", tests);
}

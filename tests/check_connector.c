/*
 * check_connector.c: the connection of a connector is made, and made again.
 * What the connector shows in the shared memory says when it will try next.
 */

#include <sys/un.h>

#include "base/error.h"
#include "base/jitter.h"
#include "conn_plugin.h"
#include "ipc/connectors.h"
#include "ipc/shm_internal.h"
#include "worker/connector.h"
#include "worker/plugin.h"
#include "worker/service.h"

#define FIRST_MS 8
#define MAX_MS 64

static const struct sl_handlers handlers_of_all = {
	.size = sizeof(handlers_of_all),
	.open = on_open,
	.data = on_data,
	.connect_error = on_connect_error,
	.error = on_error,
	.close = on_close,
};

static struct connector *connector;
static char target[64];

/* Another target, which begin_for() and connector_go() take. */
static void
set_target(const char *text)
{
	snprintf(target, sizeof(target), "%s", text);
	worker_settings()->connector.connect = target;
}

/* A connector with short waits, which has begun. */
static void
begin_for(const char *text)
{
	begin(&handlers_of_all);
	set_target(text);
	worker_settings()->connector.retry = (struct retry_settings){
		.first_ms = FIRST_MS,
		.max_ms = MAX_MS,
		.jitter = 0.5,
	};
	connector = connector_new(worker_listener());
	ck_assert_ptr_nonnull(connector);
	worker_listener()->connector = connector;
	connector_go(connector, true);
}

/* It has one attempt, and then waits for longer than any test. */
static void
wait_for_ever(void)
{
	worker_settings()->connector.retry.first_ms = 3600000;
	worker_settings()->connector.retry.max_ms = 3600000;
	connector_go(connector, false);
}

static const struct connector_state *
state(void)
{
	return &engine.shm->own_row->connectors[0].state;
}

/* A listening unix socket, and its name as a target. */
static int
listen_as(int backlog, char text[64])
{
	static unsigned int number;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(text, 64, "unix:@connector-%d-%u", getpid(), number++);
	memcpy(addr.sun_path + 1, text + 6, strlen(text) - 6);
	ck_assert_int_eq(
	    bind(fd, (void *)&addr,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    strlen(text) - 5)),
	    0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

/* Run passes until the plugin had exactly these calls. */
static void
await(const char *calls)
{
	while (strlen(plugin.calls) < strlen(calls))
		worker_pass(true);
	ck_assert_str_eq(plugin.calls, calls);
}

static int
await_accept(int fd)
{
	int peer;

	while ((peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) == -1)
		worker_pass(true);
	return peer;
}

/* When the connection failed, by the clock of that pass. */
static uint64_t failed_ms;

static void
note_time(struct sl_conn *c)
{
	(void)c;
	failed_ms = engine_now();
}

static void
check_wait(uint64_t ms)
{
	uint64_t wait = state()->next_ms - failed_ms;

	ck_assert_uint_eq(state()->phase, CONNECTOR_WAITING);
	ck_assert_uint_ge(wait, ms / 2);
	ck_assert_uint_le(wait, ms + ms / 2);
}

START_TEST(it_connects_and_connects_again_when_the_peer_ends)
{
	char text[64];
	int fd = listen_as(5, text), peer;

	begin_for(text);
	ck_assert_uint_eq(state()->phase, CONNECTOR_WAITING);
	await("o");
	ck_assert_int_eq(sl_is_client(plugin.conn), 1);
	ck_assert_uint_eq(state()->phase, CONNECTOR_UP);
	ck_assert_uint_eq(state()->attempts, 1);
	ck_assert_str_eq(state()->error, "");
	peer = await_accept(fd);
	plugin.in_close = note_time;
	close(peer);
	await("oc");
	check_wait(FIRST_MS);
	ck_assert_str_eq(state()->error, "the peer finished");
	ck_assert_uint_eq(state()->attempts, 0);
	await("oco");
	ck_assert_uint_eq(state()->phase, CONNECTOR_UP);
	peer = await_accept(fd);
	close(peer);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(each_wait_is_twice_as_long_up_to_the_limit)
{
	uint64_t ms = FIRST_MS;

	plugin.in_connect_error = NULL;
	begin_for("unix:@nobody-listens-here");
	plugin.in_connect_error = note_time;
	for (unsigned int i = 1; i <= 6; i++) {
		while (strlen(plugin.calls) < i)
			worker_pass(true);
		check_wait(ms);
		ck_assert_uint_eq(state()->attempts, i);
		ck_assert_str_eq(state()->error,
		    "could not connect: Connection refused");
		ms = 2 * ms < MAX_MS ? 2 * ms : MAX_MS;
	}
	ck_assert_str_eq(plugin.calls, "CCCCCC");
	worker_end();
}
END_TEST

START_TEST(waits_are_spread_by_the_jitter)
{
	uint64_t wait, least = UINT64_MAX, most = 0, sum = 0;

	for (int i = 0; i < 1000; i++) {
		wait = jittered(100000, 500);
		ck_assert_uint_ge(wait, 50000);
		ck_assert_uint_le(wait, 150000);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		sum += wait;
	}
	/* By chance wrong once in 10^40 times. */
	ck_assert_uint_lt(least, 60000);
	ck_assert_uint_gt(most, 140000);
	ck_assert_uint_gt(sum, 85000000);
	ck_assert_uint_lt(sum, 115000000);
	ck_assert_uint_eq(jittered(100000, 0), 100000);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_ge(jittered(1, 1000), 1);
}
END_TEST

START_TEST(an_attempt_that_cannot_begin_has_failed)
{
	char text[64];
	int fd = listen_as(5, text);

	begin_for("unix:@nobody-listens-here");
	await("C");
	/* The plugin makes as many connections as it may. */
	worker_listener()->endpoint.connecting = 1024;
	while (state()->attempts < 3)
		worker_pass(true);
	ck_assert_uint_eq(state()->phase, CONNECTOR_WAITING);
	ck_assert_str_eq(state()->error, "Resource temporarily unavailable");
	ck_assert_uint_gt(state()->next_ms, engine_now());
	ck_assert_str_eq(plugin.calls, "C");
	worker_listener()->endpoint.connecting = 0;
	set_target(text);
	connector_go(connector, false);
	await("Co");
	close(fd);
	worker_end();
}
END_TEST

/* However slow this machine is. */
static void
end_at_once(struct sl_conn *c)
{
	(void)c;
	failed_ms = engine.now_ms = state()->since_ms;
}

static void
end_an_hour_later(struct sl_conn *c)
{
	(void)c;
	engine.now_ms = engine_now() + 3600000;
	failed_ms = engine.now_ms;
}

START_TEST(a_connection_that_lasted_resets_the_waits)
{
	char text[64];
	int fd = listen_as(5, text), peer;

	begin_for(text);
	plugin.in_close = end_at_once;
	for (unsigned int i = 0; i < 4; i++) {
		peer = await_accept(fd);
		close(peer);
		while (strlen(plugin.calls) < 2 * i + 2)
			worker_pass(true);
	}
	ck_assert_uint_ge(state()->next_ms - failed_ms, FIRST_MS * 8 / 2);
	peer = await_accept(fd);
	plugin.in_close = end_an_hour_later;
	close(peer);
	await("ocococococ");
	check_wait(FIRST_MS);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_the_plugin_ends_is_made_again)
{
	char text[64];
	int fd = listen_as(5, text);

	begin_for(text);
	plugin.open_result = -1;
	close(await_accept(fd));
	while (state()->error[0] == '\0')
		worker_pass(true);
	ck_assert_str_eq(state()->error,
	    "a callback returned a negative value");
	ck_assert_uint_ne(state()->phase, CONNECTOR_UP);
	plugin.open_result = 0;
	memset(plugin.calls, 0, sizeof(plugin.calls));
	await("o");
	sl_terminate(plugin.conn);
	await("oco");
	sl_close(plugin.conn);
	close(await_accept(fd));
	close(await_accept(fd));
	await("ococo");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(new_settings_leave_it_alone_unless_they_matter)
{
	char text[64];
	int fd = listen_as(5, text);
	uint64_t next_ms;

	begin_for("unix:@nobody-listens-here");
	wait_for_ever();
	await("C");
	worker_idle();
	next_ms = state()->next_ms;
	ck_assert_uint_gt(next_ms, engine_now() + 1000000);
	connector_go(connector, false);
	ck_assert_uint_eq(state()->next_ms, next_ms);
	/* New code, other waits or another target: it tries at once. */
	connector_go(connector, true);
	await("CC");
	worker_settings()->connector.retry.jitter = 0;
	connector_go(connector, false);
	await("CCC");
	set_target(text);
	connector_go(connector, false);
	await("CCCo");
	ck_assert_uint_eq(state()->attempts, 1);
	ck_assert_str_eq(state()->error, "");
	/* And nothing of this disturbs an open connection. */
	worker_settings()->connector.retry.first_ms = FIRST_MS;
	connector_go(connector, true);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "CCCo");
	ck_assert_uint_eq(state()->phase, CONNECTOR_UP);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(another_target_takes_the_place_of_an_open_connection)
{
	char before[64], after[64], got[8];
	int old_fd = listen_as(5, before), fd = listen_as(5, after), peer;

	begin_for(before);
	await("o");
	peer = await_accept(old_fd);
	sl_write(plugin.conn, "bye", 3);
	set_target(after);
	connector_go(connector, false);
	ck_assert_int_eq(peer_read_to_end(peer, got, sizeof(got)), 3);
	close(peer);
	while (strlen(plugin.calls) < 3)
		worker_pass(true);
	ck_assert_uint_eq(plugin.why, SL_WHY_RELOAD);
	ck_assert_uint_eq(state()->phase, CONNECTOR_UP);
	ck_assert_int_ne(await_accept(fd), -1);
	ck_assert_int_eq(accept(old_fd, NULL, NULL), -1);
	close(old_fd);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(another_target_takes_the_place_of_an_attempt)
{
	char busy[64], after[64];
	int busy_fd = listen_as(0, busy), fd = listen_as(5, after);

	/* One connection fills that queue, and the second has to wait. */
	begin_for(busy);
	await("o");
	sl_terminate(plugin.conn);
	await("oc");
	while (state()->phase != CONNECTOR_CONNECTING)
		worker_pass(true);
	set_target(after);
	connector_go(connector, false);
	await("ocCo");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RELOAD);
	ck_assert_uint_eq(state()->phase, CONNECTOR_UP);
	close(busy_fd);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_stop_ends_the_attempts_but_no_open_connection)
{
	char text[64];
	int fd = listen_as(5, text);

	begin_for("unix:@nobody-listens-here");
	wait_for_ever();
	await("C");
	worker_idle();
	connector_stop(connector, SL_WHY_STOP);
	ck_assert(connector_is_stopped(connector));
	ck_assert_uint_eq(state()->phase, CONNECTOR_STOPPED);
	worker_pass(false);
	set_target(text);
	connector_go(connector, false);
	ck_assert(!connector_is_stopped(connector));
	await("Co");
	connector_stop(connector, SL_WHY_STOP);
	worker_idle();
	ck_assert_uint_eq(state()->phase, CONNECTOR_UP);
	sl_terminate(plugin.conn);
	await("Coc");
	worker_idle();
	ck_assert_uint_eq(state()->phase, CONNECTOR_STOPPED);
	ck_assert_uint_eq(conn_count(), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_stop_gives_up_an_attempt)
{
	char busy[64];
	int busy_fd = listen_as(0, busy);

	begin_for(busy);
	await("o");
	sl_terminate(plugin.conn);
	while (state()->phase != CONNECTOR_CONNECTING)
		worker_pass(true);
	connector_stop(connector, SL_WHY_SHUTDOWN);
	ck_assert_uint_eq(state()->phase, CONNECTOR_STOPPED);
	await("ocC");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_SHUTDOWN);
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	close(busy_fd);
	worker_end();
}
END_TEST

START_TEST(its_end_closes_the_connection_and_shows_nothing)
{
	char text[64];
	int fd = listen_as(5, text), peer;

	begin_for(text);
	await("o");
	peer = await_accept(fd);
	connector_stop(connector, SL_WHY_RELOAD);
	connector_end(connector, SL_WHY_RELOAD);
	ck_assert_uint_eq(state()->phase, CONNECTOR_NONE);
	close(peer);
	await("oc");
	ck_assert_uint_eq(plugin.why, SL_WHY_RELOAD);
	/* A stop of the worker does not show it again. */
	listener_stop_new(worker_listener(), SL_WHY_SHUTDOWN);
	ck_assert_uint_eq(state()->phase, CONNECTOR_NONE);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(it_does_not_hold_up_a_drain)
{
	char text[64];
	int fd = listen_as(5, text);

	begin_for(text);
	await("o");
	ck_assert_uint_eq(conn_count(), 1);
	ck_assert_uint_eq(conn_holding(), 0);
	sl_ref(plugin.conn);
	ck_assert_uint_eq(conn_holding(), 1);
	close(fd);
	worker_end();
}
END_TEST

/* The next version of the plugin, committed. */
static struct sl_service *
reload_to(struct plugin *next, int64_t on_reload)
{
	struct listener *listener = worker_listener();
	struct sl_service *service;
	struct error err;

	next->refs++;
	service = service_new(listener, next, NULL, 2, listener->current,
	    on_reload, &err);
	ck_assert_ptr_nonnull(service);
	service_commit(listener, service);
	connector_go(connector, true);
	listener_begin_sweep(listener);
	listener_sweep(listener, 10);
	return service;
}

START_TEST(new_code_takes_the_connection_over_or_gets_another)
{
	static struct plugin same, other;
	char text[64];
	int fd = listen_as(5, text), peer;
	struct sl_service *service;

	begin_for(text);
	same = other = *worker_plugin();
	same.refs = other.refs = 1;
	other.descriptor.state_version = 5;
	await("o");
	peer = await_accept(fd);
	service = reload_to(&same, ON_RELOAD_AUTO);
	ck_assert_ptr_eq(plugin.conn->service, service);
	/* It cannot use that state, and the peer may never end. */
	service = reload_to(&other, ON_RELOAD_AUTO);
	close(peer);
	await("oco");
	ck_assert_ptr_eq(plugin.conn->service, service);
	ck_assert_str_eq(state()->error, "");
	peer = await_accept(fd);
	/* But this is what was asked for. */
	reload_to(&same, ON_RELOAD_DRAIN);
	worker_idle();
	ck_assert_ptr_eq(plugin.conn->service, service);
	ck_assert_str_eq(plugin.calls, "oco");
	close(peer);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		it_connects_and_connects_again_when_the_peer_ends,
		each_wait_is_twice_as_long_up_to_the_limit,
		waits_are_spread_by_the_jitter,
		an_attempt_that_cannot_begin_has_failed,
		a_connection_that_lasted_resets_the_waits,
		what_the_plugin_ends_is_made_again,
		new_settings_leave_it_alone_unless_they_matter,
		another_target_takes_the_place_of_an_open_connection,
		another_target_takes_the_place_of_an_attempt,
		a_stop_ends_the_attempts_but_no_open_connection,
		a_stop_gives_up_an_attempt,
		its_end_closes_the_connection_and_shows_nothing,
		it_does_not_hold_up_a_drain,
		new_code_takes_the_connection_over_or_gets_another,
		NULL,
	};

	fill();
	return fixture_run("connector", tests);
}

/* check_connect_fails.c: connections of sl_connect() that are not made. */

#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>

#include "connect_fixture.h"
#include "ipc/shm_internal.h"
#include "worker/engine.h"

START_TEST(a_refusal_says_who_and_why)
{
	char text[128];
	uint16_t port;
	int fd;

	begin(&starts);
	fd = listen_tcp(-1, &port); /* bound, but it does not listen */
	connect_to("127.0.0.1", port);
	snprintf(text, sizeof(text),
	    "127.0.0.1:%u: could not connect: Connection refused", port);
	check_failure(ECONNREFUSED, text);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_fails_at_once_is_told_later)
{
	begin(&starts);
	connect_unix("/nowhere/s", 0);
	ck_assert_str_eq(plugin.calls, "");
	check_failure(ENOENT,
	    "unix:/nowhere/s: could not connect: No such file or directory");
	worker_end();
}
END_TEST

START_TEST(a_foreign_source_is_not_available)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.port = 1,
		.source = "192.0.2.1",
	};

	begin(&starts);
	ck_assert_ptr_nonnull(sl_connect(service(), &options));
	ck_assert_str_eq(plugin.calls, "");
	check_failure(EADDRNOTAVAIL,
	    "127.0.0.1:1: could not connect: Cannot assign requested address");
	worker_end();
}
END_TEST

START_TEST(a_socket_that_is_its_own_peer_is_refused)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.source = "127.0.0.1",
	};
	char text[128];

	begin(&starts);
	close(listen_tcp(-1, &options.port));
	options.source_port = options.port;
	ck_assert_ptr_nonnull(sl_connect(service(), &options));
	snprintf(text, sizeof(text),
	    "127.0.0.1:%u: could not connect: Connection refused",
	    options.port);
	check_failure(ECONNREFUSED, text);
	worker_end();
}
END_TEST

START_TEST(a_full_queue_is_not_waited_for_for_ever)
{
	char name[32];
	int fd;

	begin(&starts);
	fd = listen_unix(0, name);
	connect_unix(name, 0);
	connect_unix(name, 150);
	while (strcmp(plugin.calls, "oC") != 0)
		worker_pass(true);
	ck_assert_int_eq(plugin.error_errno, ETIMEDOUT);
	ck_assert_uint_eq(plugin.error_why, SL_WHY_CONNECT);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_TIMEOUT);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(one_that_is_not_answered_takes_its_time_only)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.timeout_ms = 100,
	};
	int fd, queued;

	begin(&starts);
	fd = listen_deaf(&options.port, &queued);
	ck_assert_ptr_nonnull(sl_connect(service(), &options));
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	/* The idle timeout is for later, and changes nothing here. */
	sl_timeout(TAILQ_FIRST(&worker_listener()->conns), 3600000);
	await_call();
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_int_eq(plugin.error_errno, ETIMEDOUT);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_TIMEOUT);
	close(queued);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(closing_it_while_it_connects_is_silent)
{
	int (*const ways[])(struct sl_conn *) = { sl_close, sl_terminate };
	int fd, queued;
	uint16_t port;

	begin(&starts);
	fd = listen_deaf(&port, &queued);
	for (int i = 0; i < 4; i++) {
		struct sl_conn *conn = connect_to("127.0.0.1", port);

		if (i < 2)
			worker_idle(); /* else before it has begun */
		sl_write(conn, "x", 1);
		ck_assert_int_eq(ways[i % 2](conn), 0);
		worker_idle();
		ck_assert_str_eq(plugin.calls, "");
		ck_assert_uint_eq(conn_count(), 0);
	}
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
	close(queued);
	close(fd);
	worker_end();
}
END_TEST

static uint16_t deaf_port;

static struct sl_conn *
connect_to_deaf(void)
{
	return connect_to("127.0.0.1", deaf_port);
}

START_TEST(every_callback_may_end_what_connects)
{
	int fd, queued;

	begin(&starts);
	fd = listen_deaf(&deaf_port, &queued);
	check_every_callback_may_end(connect_to_deaf);
	close(queued);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_peer_that_has_reset_it_by_then_did_answer)
{
	const struct linger at_once = { 1, 0 };
	int fd, queued, peer;
	uint16_t port;

	begin(&starts);
	fd = listen_deaf(&port, &queued);
	connect_to("127.0.0.1", port);
	worker_idle();
	close(accept(fd, NULL, NULL));
	peer = accept(fd, NULL, NULL); /* our SYN is sent again */
	ck_assert_int_eq(send(peer, "bye", 3, 0), 3);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(peer);
	await_call();
	ck_assert_str_eq(plugin.calls, "odxc");
	ck_assert_mem_eq(plugin.input, "bye", 3);
	ck_assert_int_eq(plugin.error_errno, ECONNRESET);
	close(queued);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(the_descriptors_of_the_master_are_not_used)
{
	struct rlimit limit;
	int fds[64], n = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	begin(&starts);
	do
		ck_assert_int_ne(fds[n] = dup(STDERR_FILENO), -1);
	while (fds[n++] < 64 - 64 / 8 - 1);
	connect_to("127.0.0.1", 1);
	check_failure(EMFILE,
	    "127.0.0.1:1: could not connect: Too many open files: the "
	    "limit RLIMIT_NOFILE is 64; raise it with ulimit -n or "
	    "LimitNOFILE= in the unit");
	while (n > 0)
		close(fds[--n]);
	worker_end();
}
END_TEST

static unsigned int
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

#define MANY 10000
static unsigned int failures;

static void
try_again(struct sl_conn *c)
{
	static const struct sl_connect_options kinds[] = {
		{ .size = sizeof(kinds[0]), .host = "127.0.0.1", .port = 1 },
		{ .size = sizeof(kinds[0]), .unix_path = "/nowhere/s" },
		{ .size = sizeof(kinds[0]),
		    .host = "127.0.0.1",
		    .port = 1,
		    .source = "192.0.2.1" },
	};

	plugin.calls[0] = '\0';
	if (++failures < MANY)
		ck_assert_ptr_nonnull(
		    sl_connect(sl_service(c), &kinds[failures % 3]));
}

START_TEST(ten_thousand_failures_leave_nothing)
{
	unsigned int before;
	size_t used;

	begin(&starts);
	plugin.in_connect_error = try_again;
	failures = MANY - 10; /* what they leave is there for the others, too */
	connect_to("127.0.0.1", 1);
	while (failures < MANY)
		worker_pass(true);
	before = open_files();
	used = mallinfo2().uordblks;
	failures = 0;
	connect_to("127.0.0.1", 1);
	while (failures < MANY)
		worker_pass(true);
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	ck_assert_uint_eq(worker_listener()->conn_count, 0);
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
	ck_assert_uint_eq(open_files(), before);
	/* Sanitizers have an allocator of their own, which says 0. */
	ck_assert_uint_lt(mallinfo2().uordblks, used + 4096);
	worker_end();
}
END_TEST

static void
replace_it(struct sl_conn *c)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.port = 1,
	};

	failures++;
	sl_connect(sl_service(c), &options);
}

START_TEST(an_end_of_all_does_not_meet_their_successors)
{
	begin(&starts);
	failures = 0;
	plugin.in_connect_error = replace_it;
	for (int i = 0; i < 3; i++)
		connect_to("127.0.0.1", 1);
	listener_kill_all(worker_listener(), SL_WHY_STOP);
	ck_assert_str_eq(plugin.calls, "CCC");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_STOP);
	plugin.in_connect_error = NULL;
	listener_kill_all(worker_listener(), SL_WHY_STOP);
	ck_assert_str_eq(plugin.calls, "CCCCCC");
	worker_end();
}
END_TEST

/* What the master is shown of the only peer, whose name is `name`. */
static struct upstream_state
shown(const char *name)
{
	struct shm_row *row = engine.shm->own_row;
	struct upstream_state state = row->upstreams[0].state;

	ck_assert_uint_eq(atomic_load(&row->upstreams_end), 1);
	ck_assert_str_eq(state.name, name);
	return state;
}

START_TEST(the_master_is_shown_how_connecting_goes)
{
	struct upstream_state state;
	struct sl_conn *conn;
	char name[32];
	uint16_t port;
	int fd;

	begin(&starts);
	fd = listen_tcp(-1, &port); /* bound, but refuses */
	snprintf(name, sizeof(name), "127.0.0.1:%u", port);
	for (unsigned int i = 1; i <= 2; i++) {
		connect_to("127.0.0.1", port);
		ck_assert_uint_eq(shown(name).connecting, 1);
		await_call();
		plugin.calls[0] = '\0';
		state = shown(name);
		ck_assert_uint_eq(state.phase, UPSTREAM_DOWN);
		ck_assert_uint_eq(state.attempts, i);
		ck_assert_uint_eq(state.failed, i);
		ck_assert_uint_eq(state.in_a_row, i);
		ck_assert_uint_eq(state.connecting, 0);
	}
	ck_assert_ptr_nonnull(strstr(state.error, "Connection refused"));
	ck_assert_int_eq(listen(fd, 1), 0);
	connect_to("127.0.0.1", port);
	await_call();
	state = shown(name);
	ck_assert_uint_eq(state.phase, UPSTREAM_UP);
	ck_assert_uint_eq(state.connections, 1);
	ck_assert_uint_eq(state.connected, 1);
	ck_assert_uint_eq(state.in_a_row, 0);
	/* It says nothing about a peer that its plugin calls it off. */
	conn = connect_to("127.0.0.1", port);
	sl_close(conn);
	worker_idle();
	state = shown(name);
	ck_assert_uint_eq(state.phase, UPSTREAM_UP);
	ck_assert_uint_eq(state.attempts, 4);
	ck_assert_uint_eq(state.failed, 2);
	ck_assert_uint_eq(state.connecting, 0);
	sl_terminate(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(shown(name).connections, 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(peers_beyond_those_that_fit_are_not_shown)
{
	char host[32];

	begin(&starts);
	for (unsigned int i = 0; i <= UPSTREAMS_MAX; i++) {
		snprintf(host, sizeof(host), "127.0.%u.%u", 1 + i / 250,
		    1 + i % 250);
		sl_close(connect_to(host, 1));
	}
	ck_assert_uint_eq(atomic_load(&engine.shm->own_row->upstreams_end),
	    UPSTREAMS_MAX);
	worker_idle();
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_refusal_says_who_and_why,
		what_fails_at_once_is_told_later,
		a_foreign_source_is_not_available,
		a_socket_that_is_its_own_peer_is_refused,
		a_full_queue_is_not_waited_for_for_ever,
		one_that_is_not_answered_takes_its_time_only,
		closing_it_while_it_connects_is_silent,
		every_callback_may_end_what_connects,
		a_peer_that_has_reset_it_by_then_did_answer,
		the_descriptors_of_the_master_are_not_used,
		ten_thousand_failures_leave_nothing,
		an_end_of_all_does_not_meet_their_successors,
		the_master_is_shown_how_connecting_goes,
		peers_beyond_those_that_fit_are_not_shown,
		NULL,
	};

	fill();
	return fixture_run("connect_fails", tests);
}

/* check_connect.c: connections that a plugin makes with sl_connect(). */

#include <dirent.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "base/error.h"
#include "conn_plugin.h"
#include "worker/plugin.h"
#include "worker/service.h"

static const struct sl_handlers starts = {
	.size = sizeof(starts),
	.open = on_open,
	.data = on_data,
	.end = on_end,
	.connect_error = on_connect_error,
	.error = on_error,
	.close = on_close,
};

static struct sl_service *
service(void)
{
	return worker_listener()->current;
}

/* A listening socket on the loopback.  Returns it. */
static int
listen_tcp(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (void *)&addr, len), 0);
	ck_assert_int_eq(getsockname(fd, (void *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

/* The same with an abstract name. */
static int
listen_unix(int backlog, char name[32])
{
	static unsigned int number;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name, 32, "@sluice-%d-%u", getpid(), number++);
	memcpy(addr.sun_path + 1, name + 1, strlen(name) - 1);
	ck_assert_int_eq(
	    bind(fd, (void *)&addr,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    strlen(name))),
	    0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static struct sl_conn *
connect_to(const char *host, uint16_t port)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.host = host,
		.port = port,
		.data = bytes,
	};
	struct sl_conn *conn = sl_connect(service(), &options);

	ck_assert_ptr_nonnull(conn);
	ck_assert_str_eq(plugin.calls, "");
	return conn;
}

static struct sl_conn *
connect_unix(const char *path, uint64_t timeout_ms)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.unix_path = path,
		.timeout_ms = timeout_ms,
	};
	struct sl_conn *conn = sl_connect(service(), &options);

	ck_assert_ptr_nonnull(conn);
	return conn;
}

static void
await_call(void)
{
	while (plugin.calls[0] == '\0')
		worker_pass(true);
	worker_idle();
}

START_TEST(it_opens_and_sends_what_was_written_before)
{
	char got[10];
	struct sl_conn *conn;
	uint16_t port;
	int fd, peer;

	begin(&starts);
	fd = listen_tcp(1, &port);
	conn = connect_to("127.0.0.1", port);
	ck_assert_int_eq(sl_state(conn), SL_STATE_CONNECTING);
	ck_assert_int_eq(sl_fd(conn), -1);
	ck_assert_int_eq(sl_set_nodelay(conn, 1), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_str_eq(sl_local(conn)->text, "unknown");
	ck_assert_ptr_null(sl_first(service()));
	ck_assert_ptr_null(sl_find(service(), sl_id(conn)));
	ck_assert_int_eq(sl_write(conn, "hello", 5), 5);
	ck_assert_int_eq(sl_end(conn, " you", 4), 0);
	await_call();
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_ptr_eq(plugin.conn, conn);
	ck_assert_ptr_eq(sl_data(conn), bytes);
	ck_assert_ptr_eq(sl_first(service()), conn);
	ck_assert_int_eq(sl_is_client(conn), 1);
	ck_assert_uint_eq(sl_remote(conn)->port, port);
	ck_assert_uint_ne(sl_local(conn)->port, 0);
	peer = accept(fd, NULL, NULL);
	ck_assert_int_eq(peer_read_to_end(peer, got, sizeof(got)), 9);
	ck_assert_mem_eq(got, "hello you", 9);
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
	peer_write(peer, "x", 1);
	close(peer);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odec");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(the_client_handlers_serve_it)
{
	static const struct sl_handlers drops = {
		.size = sizeof(drops),
		.open = on_open,
		.end = on_end,
	};
	uint16_t port;
	int fd;

	begin(&starts);
	worker_plugin()->client = drops;
	fd = listen_tcp(1, &port);
	connect_to("127.0.0.1", port);
	await_call();
	sl_terminate(plugin.conn);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "o"); /* `drops` has no `close` */
	close(fd);
	worker_end();
}
END_TEST

static void
check_failure(int sys_errno, const char *text)
{
	await_call();
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_CONNECT);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_CONNECT);
	ck_assert_int_eq(plugin.error_errno, sys_errno);
	ck_assert_str_eq(plugin.error_text, text);
	ck_assert_uint_eq(conn_count(), 0);
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
}

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

START_TEST(the_source_is_used)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.source = "127.0.0.3",
		.nodelay = -1,
		.keepalive_ms = 1500,
	};
	int fd, value;
	socklen_t len = sizeof(value);

	begin(&starts);
	fd = listen_tcp(1, &options.port);
	ck_assert_ptr_nonnull(sl_connect(service(), &options));
	await_call();
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_mem_eq(sl_local(plugin.conn)->text, "127.0.0.3:", 10);
	getsockopt(sl_fd(plugin.conn), IPPROTO_TCP, TCP_NODELAY, &value, &len);
	ck_assert_int_eq(value, 0);
	getsockopt(sl_fd(plugin.conn), IPPROTO_TCP, TCP_KEEPIDLE, &value, &len);
	ck_assert_int_eq(value, 2);
	close(fd);
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

START_TEST(a_full_queue_is_waited_for)
{
	struct sl_conn *first, *second;
	char name[32], text[64];
	int fd, peer;

	begin(&starts);
	fd = listen_unix(0, name);
	first = connect_unix(name, 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "o");
	snprintf(text, sizeof(text), "unix:%s", name);
	ck_assert_str_eq(sl_remote(first)->text, text);
	second = connect_unix(name, 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_int_eq(sl_state(second), SL_STATE_CONNECTING);
	peer = accept(fd, NULL, NULL);
	while (strcmp(plugin.calls, "oo") != 0)
		worker_pass(true);
	ck_assert_ptr_eq(plugin.conn, second);
	close(peer);
	close(fd);
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

/* A listener that answers no SYN, since its queue is full. */
static int
listen_deaf(uint16_t *ret_port, int *ret_in_queue)
{
	int fd = listen_tcp(0, ret_port);
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(*ret_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	*ret_in_queue = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(*ret_in_queue, (void *)&addr, sizeof(addr)),
	    0);
	return fd;
}

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

START_TEST(misuse_is_refused_at_once)
{
	static const struct sl_tls_options tls = { .size = sizeof(tls) };
	static const struct {
		struct sl_connect_options options;
		int error;
	} cases[] = {
#define SIZE .size = sizeof(struct sl_connect_options)
		{ { .size = 8, .host = "127.0.0.1", .port = 1 }, EINVAL },
		{ { SIZE }, EINVAL },
		{ { SIZE, .host = "127.0.0.1" }, EINVAL },
		{ { SIZE, .host = "", .port = 1 }, EINVAL },
		{ { SIZE, .host = "::1", .port = 1, .unix_path = "/x" },
		    EINVAL },
		{ { SIZE, .unix_path = "x" }, EINVAL },
		{ { SIZE, .unix_path = "@" }, EINVAL },
		{ { SIZE, .unix_path = "/x", .port = 1 }, EINVAL },
		{ { SIZE, .unix_path = "/x", .source = "::1" }, EINVAL },
		{ { SIZE, .host = "::1", .port = 1, .source = "a" }, EINVAL },
		{ { SIZE, .host = "::1", .port = 1, .source = "127.0.0.1" },
		    EAFNOSUPPORT },
		{ { SIZE, .host = "::1", .port = 1, .flags = 4 }, EINVAL },
		{ { SIZE, .host = "::1", .port = 1, .tls = &tls }, EINVAL },
		{ { SIZE, .host = "[127.0.0.1]", .port = 1 }, EINVAL },
		{ { SIZE, .host = "a b", .port = 1 }, EINVAL },
		{ { SIZE, .host = "a..b", .port = 1 }, EINVAL },
		{ { SIZE, .host = "fe80::1%nowhere", .port = 1 }, EINVAL },
		{ { SIZE, .host = "a.test", .port = 1, .source_port = 1 },
		    EINVAL },
		{ { SIZE, .host = "::1", .port = 1, .keepalive_ms = 1LL << 60 },
		    EINVAL },
#undef SIZE
	};
	struct {
		struct sl_connect_options options;
		uint64_t unknown;
	} newer = { { .size = sizeof(newer), .host = "::1", .port = 1 }, 1 };
	char path[200] = "/";

	begin(&starts);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		errno = 0;
		ck_assert_ptr_null(sl_connect(service(), &cases[i].options));
		ck_assert_int_eq(errno, cases[i].error);
	}
	ck_assert_ptr_null(sl_connect(NULL, &newer.options));
	ck_assert_ptr_null(sl_connect(service(), NULL));
	ck_assert_ptr_null(sl_connect(service(), &newer.options));
	ck_assert_int_eq(errno, ENOTSUP);
	newer.unknown = 0;
	ck_assert_ptr_nonnull(sl_connect(service(), &newer.options));
	memset(path + 1, 'x', sizeof(path) - 2);
	newer.options =
	    (struct sl_connect_options){ .size = sizeof(newer.options),
		    .unix_path = path };
	ck_assert_ptr_null(sl_connect(service(), &newer.options));
	ck_assert_int_eq(errno, ENAMETOOLONG);
	worker_end();
}
END_TEST

START_TEST(only_so_many_are_made_at_a_time)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.port = 1,
	};

	begin(&starts);
	for (int i = 0; i < 1024; i++)
		ck_assert_ptr_nonnull(sl_connect(service(), &options));
	ck_assert_ptr_null(sl_connect(service(), &options));
	ck_assert_int_eq(errno, EAGAIN);
	listener_kill_all(worker_listener(), SL_WHY_SHUTDOWN);
	worker_idle();
	ck_assert_ptr_nonnull(sl_connect(service(), &options));
	worker_end();
}
END_TEST

START_TEST(an_ipv6_address_may_stand_in_brackets)
{
	static const char *const hosts[] = { "::1", "[::1]" };
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (void *)&addr, len) == -1)
		return; /* this kernel has no IPv6 */
	ck_assert_int_eq(listen(fd, 2), 0);
	ck_assert_int_eq(getsockname(fd, (void *)&addr, &len), 0);
	begin(&starts);
	for (int i = 0; i < 2; i++) {
		plugin.calls[0] = '\0';
		connect_to(hosts[i], ntohs(addr.sin6_port));
		await_call();
		ck_assert_str_eq(plugin.calls, "o");
	}
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
	    "127.0.0.1:1: could not connect: Too many open files");
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

	begin(&starts);
	before = open_files();
	plugin.in_connect_error = try_again;
	failures = 0;
	connect_to("127.0.0.1", 1);
	while (failures < MANY)
		worker_pass(true);
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	ck_assert_uint_eq(worker_listener()->conn_count, 0);
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
	ck_assert_uint_eq(open_files(), before);
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

START_TEST(what_ends_makes_no_connection)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.port = 1,
	};

	begin(&starts);
	worker_listener()->closing = true;
	ck_assert_ptr_null(sl_connect(service(), &options));
	ck_assert_int_eq(errno, ESHUTDOWN);
	worker_listener()->closing = false;
	engine.closing = true;
	ck_assert_ptr_null(sl_connect(service(), &options));
	ck_assert_int_eq(errno, ESHUTDOWN);
	worker_end();
}
END_TEST

/* A `start` that connects to connect_port. */
static uint16_t connect_port;
static int start_result;
static struct sl_conn *early;

static int
on_start(struct sl_service *next)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
		.port = connect_port,
	};

	early = sl_connect(next, &options);
	ck_assert_ptr_nonnull(early);
	return start_result;
}

static struct sl_service *
prepare(void)
{
	worker_plugin()->descriptor.start = on_start;
	worker_plugin()->refs++;
	return service_new(worker_listener(), worker_plugin(), NULL, 2, NULL, 0,
	    &(struct error){ 0 });
}

START_TEST(what_start_makes_waits_for_commit)
{
	struct sl_service *next;
	int fd;

	begin(&starts);
	start_result = 0;
	fd = listen_tcp(1, &connect_port);
	next = prepare();
	ck_assert_ptr_nonnull(next);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_int_eq(sl_fd(early), -1);
	service_commit(worker_listener(), next);
	listener_begin_sweep(worker_listener());
	await_call();
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_ptr_eq(sl_service(early), next);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_start_made_ends_silently_with_the_reload)
{
	struct sl_service *next;

	begin(&starts);
	start_result = 0;
	connect_port = 1;
	next = prepare();
	listener_drop_conns(worker_listener(), next);
	service_unref(next);
	ck_assert_uint_eq(conn_count(), 0);
	start_result = -1;
	ck_assert_ptr_null(prepare());
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_uint_eq(worker_listener()->conn_count, 0);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		it_opens_and_sends_what_was_written_before,
		the_client_handlers_serve_it,
		a_refusal_says_who_and_why,
		what_fails_at_once_is_told_later,
		a_foreign_source_is_not_available,
		the_source_is_used,
		a_socket_that_is_its_own_peer_is_refused,
		a_full_queue_is_waited_for,
		a_full_queue_is_not_waited_for_for_ever,
		one_that_is_not_answered_takes_its_time_only,
		closing_it_while_it_connects_is_silent,
		a_peer_that_has_reset_it_by_then_did_answer,
		misuse_is_refused_at_once,
		only_so_many_are_made_at_a_time,
		an_ipv6_address_may_stand_in_brackets,
		the_descriptors_of_the_master_are_not_used,
		ten_thousand_failures_leave_nothing,
		an_end_of_all_does_not_meet_their_successors,
		what_ends_makes_no_connection,
		what_start_makes_waits_for_commit,
		what_start_made_ends_silently_with_the_reload,
		NULL,
	};

	fill();
	return fixture_run("connect", tests);
}

/* check_connect.c: connections that a plugin makes with sl_connect(). */

#include <netinet/tcp.h>

#include "base/error.h"
#include "connect_fixture.h"
#include "worker/plugin.h"

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
		the_source_is_used,
		a_full_queue_is_waited_for,
		misuse_is_refused_at_once,
		only_so_many_are_made_at_a_time,
		an_ipv6_address_may_stand_in_brackets,
		what_ends_makes_no_connection,
		what_start_makes_waits_for_commit,
		what_start_made_ends_silently_with_the_reload,
		NULL,
	};

	fill();
	return fixture_run("connect", tests);
}

/*
 * connect_fixture.h: what the tests of sl_connect() share: peers, and a plugin
 * that connects to them.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_CONNECT_FIXTURE_H
#define SLUICE_TESTS_CONNECT_FIXTURE_H

#include <netinet/in.h>
#include <sys/un.h>

#include "conn_plugin.h"
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

static inline struct sl_service *
service(void)
{
	return worker_listener()->current;
}

/* A listening socket on the loopback.  Returns it. */
static inline int
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
static inline int
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

static inline struct sl_conn *
connect_in(const char *host, uint16_t port, uint64_t timeout_ms)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.host = host,
		.port = port,
		.timeout_ms = timeout_ms,
		.data = bytes,
	};
	struct sl_conn *conn = sl_connect(service(), &options);

	ck_assert_ptr_nonnull(conn);
	return conn;
}

static inline struct sl_conn *
connect_to(const char *host, uint16_t port)
{
	return connect_in(host, port, 0);
}

static inline struct sl_conn *
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

static inline void
await_call(void)
{
	while (plugin.calls[0] == '\0')
		worker_pass(true);
	worker_idle();
}

static inline void
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

/* A listener that answers no SYN, since its queue is full. */
static inline int
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

static struct sl_conn *victim; /* is being made */
static int (*end_it)(struct sl_conn *c);

static inline void
end_victim(struct sl_conn *c)
{
	(void)c;
	if (victim != NULL)
		ck_assert_int_eq(end_it(victim), 0);
	victim = NULL;
}

/* Each callback of an accepted connection ends one that is being made. */
static inline void
check_every_callback_may_end(struct sl_conn *(*make)(void))
{
	void (**const hooks[])(struct sl_conn *) = { &plugin.in_open,
		&plugin.in_data, &plugin.in_end, &plugin.in_close };
	int (*const ways[])(struct sl_conn *) = { sl_close, sl_terminate };

	for (size_t i = 0; i < 8; i++) {
		int peer;

		victim = make();
		worker_idle();
		ck_assert_uint_eq(worker_listener()->endpoint.connecting, 1);
		end_it = ways[i % 2];
		*hooks[i / 2] = end_victim;
		peer = worker_connect();
		peer_write(peer, "x", 1);
		shutdown(peer, SHUT_WR);
		worker_idle();
		sl_close(plugin.conn);
		close(peer);
		worker_idle();
		*hooks[i / 2] = NULL;
		ck_assert_ptr_null(victim);
		ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
		ck_assert_uint_eq(conn_count(), 0);
		ck_assert_str_eq(plugin.calls, "odec");
		memset(plugin.calls, 0, sizeof(plugin.calls));
	}
}

#endif

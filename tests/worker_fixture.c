/* worker_fixture.c: a worker without processes. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/settings.h"
#include "ipc/shm.h"
#include "worker/accept.h"
#include "worker/after_pass.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/gen.h"
#include "worker/listener.h"
#include "worker/names.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker/upstreams.h"
#include "worker_fixture.h"

#define IDLE_PASSES_MAX 100000 /* a connection that never stops working */
#define QUIET_PASSES 4 /* in a row; a transport may need several events */

struct stream (*worker_stream)(int fd, bool is_unix) = stream_plain;

static struct shm *master, *shm;
static struct settings *settings;
static struct listener *listener;
static struct plugin plugin;

void
worker_begin(const struct sl_handlers *handlers)
{
	struct error *no_error = NULL;
	struct sl_service *service;
	uint32_t serial;

	master = shm_new(1);
	ck_assert_ptr_nonnull(master);
	ck_assert_int_eq(shm_begin_row(master, 0), 0);
	shm =
	    shm_map(1, shm_head_fd(master), 0, shm_row_fd(master, 0, &serial));
	ck_assert_ptr_nonnull(shm);
	ck_assert_int_eq(engine_init(shm), 0);
	callback_init(shm);
	ck_assert_int_eq(accept_init(), 0);
	ck_assert_int_eq(conn_init(), 0);
	settings = settings_new();
	ck_assert_ptr_nonnull(settings);
	ck_assert_ptr_nonnull(
	    keys_add(key_find(settings_keys, "listeners"), settings));

	memset(&plugin, 0, sizeof(plugin));
	plugin.descriptor.name = "test";
	plugin.descriptor.version = "1";
	plugin.server = plugin.client = *handlers;
	plugin.refs = 1;

	listener = listener_new("test", 0);
	ck_assert_ptr_nonnull(listener);
	listener_configure(listener, &settings->listeners[0]);
	service = service_new(listener, &plugin, NULL, 1, NULL, ON_RELOAD_AUTO,
	    (void *)no_error);
	ck_assert_ptr_nonnull(service);
	service_commit(listener, service);
	plugin.refs++;
}

void
worker_end(void)
{
	listener_kill_all(listener, SL_WHY_SHUTDOWN);
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	listener_free(listener);
	conn_done();
	upstreams_done();
	names_done();
	accept_done();
	engine_done();
	settings_free(settings);
	shm_free(shm);
	shm_free(master);
}

struct listener *
worker_listener(void)
{
	return listener;
}

struct listener_settings *
worker_settings(void)
{
	return &settings->listeners[0];
}

struct plugin *
worker_plugin(void)
{
	return &plugin;
}

static struct seat
any_seat(void)
{
	struct seat seat = SEAT_NONE;
	struct sockaddr peer = { .sa_family = AF_UNIX };

	ck_assert(seat_take(&seat, &listener->endpoint, &peer, sizeof(peer)));
	return seat;
}

static struct sl_conn *
begin_conn(struct stream stream, const struct sockaddr *peer, socklen_t len)
{
	struct sl_conn *conn = conn_new(&listener->endpoint, listener->current,
	    stream, any_seat());

	if (conn == NULL)
		return NULL; /* the test has used up memory or ids */
	if (len > 0)
		conn_set_peer(conn, peer, len);
	conn_settle(conn);
	return conn;
}

/* Run passes until it is open or has ended.  It may be NULL. */
static void
await_open(struct sl_conn *conn)
{
	uint64_t id = sl_id(conn);

	while (conn_find(id) != NULL && conn_marked(conn, MARK_STARTING))
		worker_pass(true);
}

int
worker_connect(void)
{
	struct sl_conn *conn;
	int fd = worker_begin_connect(&conn);

	await_open(conn);
	return fd;
}

int
worker_begin_connect(struct sl_conn **ret_conn)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			     pair),
	    0);
	*ret_conn = begin_conn(worker_stream(pair[0], true), NULL, 0);
	return pair[1];
}

int
worker_connect_tcp(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int server, client, fd, small = 4096;
	int large = 1 << 20;

	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(server, (void *)&addr, len), 0);
	ck_assert_int_eq(listen(server, 1), 0);
	ck_assert_int_eq(getsockname(server, (void *)&addr, &len), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	ck_assert_int_eq(connect(client, (void *)&addr, len), 0);
	fcntl(client, F_SETFL, O_NONBLOCK);
	fd = accept4(server, (void *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	close(server);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	await_open(begin_conn(worker_stream(fd, false), (void *)&addr, len));
	return client;
}

static void
commit_nothing(void)
{
}

static void
at_end_of_pass(void)
{
	after_pass(commit_nothing);
}

void
worker_pass(bool wait)
{
	ck_assert_int_ne(
	    engine_pass(wait && !engine.after_pass_due, at_end_of_pass), -1);
}

void
worker_idle(void)
{
	unsigned int passes = 0, quiet = 0;

	while (quiet < QUIET_PASSES) {
		worker_pass(false);
		quiet = engine.after_pass_due ? 0 : quiet + 1;
		ck_assert_uint_lt(passes++, IDLE_PASSES_MAX);
	}
	/* With no work left, a worker waits for events. */
	ck_assert(!conn_work_left());
}

void
worker_skip_ms(unsigned int ms)
{
	engine_read_clock();
	engine.now_ms += ms;
}

void
peer_write(int fd, const void *buf, size_t len)
{
	const char *from = buf;

	while (len > 0) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

		if (n == -1) {
			ck_assert_int_eq(errno, EAGAIN);
			worker_pass(false);
			continue;
		}
		from += n;
		len -= n;
	}
	worker_idle();
}

void
peer_read(int fd, void *buf, size_t len)
{
	char *to = buf;

	while (len > 0) {
		ssize_t n = recv(fd, to, len, 0);

		ck_assert_int_ne(n, 0);
		if (n == -1) {
			ck_assert_int_eq(errno, EAGAIN);
			worker_pass(false);
			continue;
		}
		to += n;
		len -= n;
	}
}

ssize_t
peer_read_to_end(int fd, void *buf, size_t size)
{
	size_t done = 0;

	for (;;) {
		ssize_t n = recv(fd, (char *)buf + done, size - done, 0);

		if (n == 0)
			return done;
		if (n == -1 && errno != EAGAIN)
			return -1;
		if (n == -1)
			worker_pass(false);
		else
			done += n;
	}
}

/*
 * check_listener.c: a listener: its sweep after a reload, its work in the
 * after-pass, which plugin may stop it, and when it is freed.
 */

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ipc/versions.h"
#include "service_fixture.h"
#include "worker/accept.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/gen.h"

/* How many connections of this version the master sees. */
static uint32_t
shown(const struct sl_service *service)
{
	return atomic_load(&service->version->connections);
}

START_TEST(a_sweep_moves_idle_connections_a_few_at_a_time)
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

/* The last connection that the sweep would ask ends before that. */
START_TEST(a_sweep_is_over_when_its_last_connection_ends)
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

/* The after-pass runs often, and most listeners have no work for it. */
START_TEST(only_listeners_with_work_are_looked_at)
{
	int fd;

	begin();
	ck_assert(LIST_EMPTY(&listeners_due));
	fd = worker_connect();
	commit(prepare(ON_RELOAD_AUTO));
	ck_assert_ptr_eq(LIST_FIRST(&listeners_due), worker_listener());
	ck_assert(!gen_sweep());
	gen_reap();
	ck_assert(LIST_EMPTY(&listeners_due));
	close(fd);
	worker_idle();
	ck_assert(LIST_EMPTY(&listeners_due));
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

START_TEST(a_plugin_can_stop_only_its_own_services)
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
	/* Outside of callbacks, for example in a thread, it is not allowed either. */
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

/* Make another listener, with one client in the queue of its socket. */
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
	/* The kernel chooses an abstract name. */
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
	/* Its only client is accepted, and terminated by `open`. */
	listener_drain(listener, 1000);
	gen_reap();
	worker_idle();
	gen_reap();
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
		a_sweep_moves_idle_connections_a_few_at_a_time,
		a_sweep_is_over_when_its_last_connection_ends,
		only_listeners_with_work_are_looked_at,
		a_plugin_can_stop_only_its_own_services,
		a_listener_outlives_the_last_of_its_connections,
		NULL,
	};

	return fixture_run("listener", tests);
}

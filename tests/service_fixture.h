/*
 * service_fixture.h: a service before and after a reload.  Each version has its
 * own plugin, which records its calls.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_SERVICE_FIXTURE_H
#define SLUICE_TESTS_SERVICE_FIXTURE_H

#include <check.h>
#include <sluice.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "config/settings.h"
#include "fixture.h"
#include "worker/listener.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker_fixture.h"

static char
    calls[256]; /* "start2 stop1": the callbacks in order, with their plugin */
static int migrate_result;
static bool reload_shares;

static inline void
called(const char *what)
{
	if (calls[0] != '\0')
		strcat(calls, " ");
	strcat(calls, what);
}

static inline void
forget_calls(void)
{
	calls[0] = '\0';
}

static char state1, state2;

static inline int
start1(struct sl_service *service)
{
	called("start1");
	sl_set_service_data(service, &state1);
	return 0;
}

static inline int
start2(struct sl_service *service)
{
	called("start2");
	sl_set_service_data(service, &state2);
	return 0;
}

static inline int
failing_start(struct sl_service *service)
{
	(void)service;
	called("start?");
	return -1;
}

static inline int
reload2(struct sl_service *next, struct sl_service *prev)
{
	called("reload2");
	sl_set_service_data(next,
	    reload_shares ? sl_service_data(prev) : &state2);
	return 0;
}

static inline void
stop1(struct sl_service *service)
{
	called(sl_service_data(service) == &state1 ? "stop1" : "stop1?");
}

static inline void
stop2(struct sl_service *service)
{
	called(sl_service_data(service) == &state2 ? "stop2" : "stop2-of-1");
}

static inline int
migrate2(struct sl_conn *c, uint32_t from_version)
{
	/* It already belongs to the new service, and sl_next() may be used here. */
	ck_assert_ptr_eq(sl_service(c), worker_listener()->current);
	for (struct sl_conn *o = sl_first(sl_service(c)); o != NULL;
	     o = sl_next(o))
		ck_assert_ptr_eq(sl_service(o), sl_service(c));
	called(from_version == 1 ? "migrate" : "migrate?");
	return migrate_result;
}

static inline ssize_t
data1(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	sl_write(c, "1", 1);
	return len;
}

static inline ssize_t
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

static inline void
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
	/* The fixture has started its service already, without calling start. */
	worker_plugin()->descriptor.state_version = 1;
	worker_plugin()->descriptor.start = start1;
	worker_plugin()->descriptor.stop = stop1;
	sl_set_service_data(worker_listener()->current, &state1);
}

/* What PREPARE does. */
static inline struct sl_service *
prepare(int64_t on_reload)
{
	struct error err;

	second.refs++;
	return service_new(worker_listener(), &second, NULL, 2,
	    worker_listener()->current, on_reload, &err);
}

/* What COMMIT does. */
static inline void
commit(struct sl_service *next)
{
	struct listener *listener = worker_listener();

	service_commit(listener, next);
	listener_begin_sweep(listener);
}

static inline char
answer(int fd)
{
	char byte = 'x';

	peer_write(fd, "?", 1);
	peer_read(fd, &byte, 1);
	return byte;
}

static inline void
end(void)
{
	worker_end();
}

/* Run the sweep of a commit to its end. */
static inline void
sweep(void)
{
	while (listener_sweep(worker_listener(), 1) == 1)
		;
	service_end_unused();
}

#endif

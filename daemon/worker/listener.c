/*
 * listener.c: the part of a listener that stays over reloads.  Accepting is in
 * accept.c.
 */

#include "worker/listener.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"
#include "base/log.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "worker/accept.h"
#include "worker/conn.h"
#include "worker/connector.h"
#include "worker/engine.h"
#include "worker/service.h"
#include "worker/tls_client.h"
#include "worker/tls_server.h"

struct listeners listeners_due = LIST_HEAD_INITIALIZER(listeners_due);

static void on_drain_timer(struct timer *timer);

struct listener *
listener_new(const char *name, uint32_t slot)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->endpoint.slot = slot;
	listener->endpoint.counts =
	    shm_own_counts(engine.shm, slot, &listener->counters);
	endpoint_limit_lines(&listener->endpoint);
	TAILQ_INIT(&listener->acceptors);
	TAILQ_INIT(&listener->conns);
	listener->endpoint.name = strdup(name);
	if (listener->endpoint.name == NULL ||
	    endpoint_pace(&listener->endpoint) == -1 ||
	    timers_attach(engine.timers, &listener->drain_timer,
		on_drain_timer) == -1) {
		endpoint_pace_done(&listener->endpoint);
		free(listener->endpoint.name);
		free(listener);
		return NULL;
	}
	return listener;
}

void
listener_configure(struct listener *listener,
    const struct listener_settings *settings)
{
	listener->settings = settings;
	listener->endpoint.limits = &settings->limits;
	listener->endpoint.timeouts = &settings->timeouts;
	listener->endpoint.proxy = &settings->proxy;
	listener->endpoint.access = &settings->access;
	listener->endpoint.guard = &settings->guard;
	endpoint_pace_configure(&listener->endpoint);
}

struct tls_client *
listener_tls_client(const struct listener *listener)
{
	return listener->tls_client != NULL ? listener->tls_client
					    : tls_client_default();
}

static void
log_counters(const struct listener *listener)
{
	struct log_field fields[1 + COUNTERS_MAX] = {
		{ "listener", listener->endpoint.name, 0, true },
	};
	unsigned int count = counters_named(listener->endpoint.counts);
	char prefix[ADDRESS_TEXT_MAX];

	if (count == 0)
		return;
	for (unsigned int i = 0; i < count; i++)
		fields[1 + i] = (struct log_field){ listener->counters[i].name,
			NULL, listener->counters[i].value, false };
	snprintf(prefix, sizeof(prefix), "%s counters",
	    listener->endpoint.name);
	fields[count] =
	    (struct log_field){ "listener", listener->endpoint.name, 0, true };
	log_fields(LOG_LEVEL_INFO, prefix, fields, 1 + count);
}

void
listener_free(struct listener *listener)
{
	struct acceptor *acceptor;

	if (listener == NULL)
		return;
	while ((acceptor = TAILQ_FIRST(&listener->acceptors)) != NULL) {
		TAILQ_REMOVE(&listener->acceptors, acceptor, link);
		acceptor_free(acceptor);
	}
	connector_free(listener->connector);
	listener_set_done(listener);
	tls_server_unref(listener->tls);
	tls_client_unref(listener->tls_client);
	service_unref(listener->current);
	service_end_unused(); /* while `stop` can still use the listener */
	log_counters(listener);
	timers_detach(engine.timers, &listener->drain_timer);
	endpoint_lines_done(&listener->endpoint);
	endpoint_pace_done(&listener->endpoint);
	free(listener->endpoint.name);
	free(listener);
}

void
listener_set_due(struct listener *listener)
{
	engine.after_pass_due = true;
	if (listener->due)
		return;
	listener->due = true;
	LIST_INSERT_HEAD(&listeners_due, listener, due_link);
}

void
listener_set_done(struct listener *listener)
{
	if (listener->due)
		LIST_REMOVE(listener, due_link);
	listener->due = false;
}

void
listener_stop_new(struct listener *listener, enum sl_why why)
{
	while (!TAILQ_EMPTY(&listener->acceptors))
		acceptor_stop(TAILQ_FIRST(&listener->acceptors));
	if (listener->connector != NULL)
		connector_stop(listener->connector, why);
}

void
listener_drain(struct listener *listener, uint64_t drain_ms)
{
	listener->gone = true;
	service_not_current(listener->current, true);
	listener_set_due(listener);
	listener_stop_new(listener, SL_WHY_RELOAD);
	if (listener->connector != NULL)
		connector_end(listener->connector, SL_WHY_RELOAD);
	timers_set(engine.timers, &listener->drain_timer,
	    engine_now() + drain_ms);
}

static void
on_drain_timer(struct timer *timer)
{
	struct listener *listener =
	    container_of(timer, struct listener, drain_timer);

	endpoint_log(&listener->endpoint, LOG_LEVEL_INFO,
	    "connections still open after drain_timeout: %u; closing them",
	    listener->conn_count);
	listener->closing = true;
	listener_close_all(listener, SL_WHY_RELOAD);
}

/*
 * End each connection by end(conn, why), but none that a callback makes meanwhile:
 * a plugin may replace each that fails by another one.
 */
static void
end_each(struct listener *listener,
    void (*end)(struct sl_conn *conn, enum sl_why why), enum sl_why why)
{
	struct sl_conn *last = TAILQ_LAST(&listener->conns, conn_list);
	struct sl_conn *conn, *next = TAILQ_FIRST(&listener->conns);

	do {
		conn = next;
		if (conn == NULL)
			return;
		next = TAILQ_NEXT(conn, link);
		end(conn, why);
	} while (conn != last);
}

void
listener_close_all(struct listener *listener, enum sl_why why)
{
	end_each(listener, conn_expire, why);
}

static void
kill_one(struct sl_conn *conn, enum sl_why why)
{
	conn_flush_all(conn);
	conn_fail(conn, why, 0, SL_STAGE_NONE);
	conn_settle(conn);
}

void
listener_kill_all(struct listener *listener, enum sl_why why)
{
	end_each(listener, kill_one, why);
}

void
listener_drop_conns(struct listener *listener, const struct sl_service *service)
{
	struct sl_conn *conn, *next;
	bool found = false;

	for (conn = TAILQ_FIRST(&listener->conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->service != service)
			continue;
		found = true;
		kill_one(conn, SL_WHY_RELOAD);
	}
	/* They refer to the version, and the listener may end with it. */
	if (found)
		conn_after_pass();
}

void
listener_begin_sweep(struct listener *listener)
{
	listener->sweep = TAILQ_FIRST(&listener->conns);
	listener->sweeping = true;
	listener_set_due(listener);
}

/*
 * Every connection was asked to move.  Those that stay never will, so their
 * versions need not keep the later versions alive.
 */
static void
end_sweep(struct listener *listener)
{
	struct sl_service *service;

	listener->sweeping = false;
	if (listener->current != NULL)
		service_tell_migration(listener->current);
	LIST_FOREACH(service, &listener->stayed_on, stayed_link)
		service_forget_successor(service);
}

unsigned int
listener_sweep(struct listener *listener, unsigned int most)
{
	unsigned int n;

	for (n = 0; n < most && listener->sweep != NULL; n++) {
		struct sl_conn *conn = listener->sweep;

		listener->sweep = TAILQ_NEXT(conn, link);
		conn_settle(conn);
	}
	/* Also if n is 0: the last connection may have ended before. */
	if (listener->sweeping && listener->sweep == NULL)
		end_sweep(listener);
	return n;
}

/* connector.c: a connection that is made again whenever it ends. */

#include "worker/connector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/container_of.h"
#include "base/error.h"
#include "base/jitter.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/plain_float.h"
#include "config/address.h"
#include "config/settings.h"
#include "ipc/connectors.h"
#include "worker/api_connect.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker/timers.h"

/* Of all connectors of a worker, which may all fail at the same time. */
#define LINES_PER_S 10

struct connector {
	struct listener *listener;
	struct keeper keeper;
	struct timer timer;   /* the next attempt */
	struct sl_conn *conn; /* being made, or open; NULL: it waits */
	struct target target;
	struct retry_settings retry;
	uint64_t wait_ms; /* the last one, before its jitter; 0: none so far */
	bool stopped;
	struct connector_state state;
};

/* The sockets of open connections by slot, for connectors_cut(); 0: none. */
static volatile int sockets[LISTENERS_MAX];

static void
set_socket(const struct connector *connector, int fd)
{
	uint32_t slot = connector->listener->endpoint.slot;

	if (slot < LISTENERS_MAX)
		sockets[slot] = fd;
}

void
connectors_cut(void)
{
	for (unsigned int i = 0; i < LISTENERS_MAX; i++)
		if (sockets[i] > 0)
			shutdown(sockets[i], SHUT_RDWR);
}

static const struct connector_settings *
settings_of(const struct connector *connector)
{
	return &connector->listener->settings->connector;
}

static void
show(struct connector *connector, enum connector_phase phase)
{
	connector->state.phase = phase;
	connector_show(engine.shm, connector->listener->endpoint.slot,
	    &connector->state);
}

/* A few that succeed are not lost among many that fail. */
static struct log_limit limits[LOG_LEVEL_DEBUG + 1];

static void
sum_up(struct log_limit *limit, uint32_t skipped)
{
	log_at((enum log_level)(limit - limits),
	    "%u more lines about connectors", skipped);
}

/* For lines that all connectors may cause at once. */
static void __attribute__((format(printf, 3, 4)))
say(const struct connector *connector, enum log_level level, const char *fmt,
    ...)
{
	char text[ERROR_TEXT_MAX], skipped[64] = "";
	uint32_t count;
	va_list ap;

	limits[level].sum_up = sum_up;
	if (!log_limit(&limits[level], LINES_PER_S, &count))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (count > 0)
		snprintf(skipped, sizeof(skipped),
		    " (and %u more lines about connectors)", count);
	endpoint_log(&connector->listener->endpoint, level, "%s%s", text,
	    skipped);
}

/* The next attempt is in so many milliseconds. */
static void
wait_for(struct connector *connector, uint64_t ms)
{
	connector->state.next_ms = engine_now() + ms;
	timers_set(engine.timers, &connector->timer, connector->state.next_ms);
	show(connector, CONNECTOR_WAITING);
}

/* At once, with the shortest wait after it. */
static void
begin(struct connector *connector)
{
	connector->wait_ms = 0;
	wait_for(connector, 0);
}

/*
 * After a wait twice as long as the last one, unless a connection was open for
 * longer than that.  Returns it in milliseconds.
 */
static uint64_t
begin_later(struct connector *connector, uint64_t open_ms)
{
	const struct retry_settings *retry = &connector->retry;
	uint64_t ms = 2 * connector->wait_ms;

	if (ms == 0 || open_ms > connector->wait_ms)
		ms = retry->first_ms;
	if (ms > retry->max_ms)
		ms = retry->max_ms;
	connector->wait_ms = ms;
	plain_float();
	ms = jittered(ms, (unsigned int)(retry->jitter * 1000));
	wait_for(connector, ms);
	return ms;
}

/* Not connected, or not any more: try again later. */
static void
retry(struct connector *connector, uint64_t open_ms)
{
	uint64_t ms = begin_later(connector, open_ms);

	say(connector, LOG_LEVEL_WARN, "%s: %s; next attempt in %llu ms",
	    settings_of(connector)->connect, connector->state.error,
	    (unsigned long long)ms);
}

static void
note_error(struct connector *connector, const char *text)
{
	snprintf(connector->state.error, sizeof(connector->state.error), "%.*s",
	    CONNECTOR_ERROR_MAX - 1, text);
}

static void
on_open(struct keeper *keeper, struct sl_conn *conn)
{
	struct connector *connector =
	    container_of(keeper, struct connector, keeper);
	char peer[ADDRESS_TEXT_MAX];

	conn->quiet = false;
	set_socket(connector, conn->stream.fd);
	connector->state.since_ms = engine_now();
	show(connector, CONNECTOR_UP);
	say(connector, LOG_LEVEL_INFO, "connected to %s at attempt %u",
	    conn_remote_text(conn, peer), connector->state.attempts);
}

static void
on_end(struct keeper *keeper, const struct sl_conn *conn)
{
	struct connector *connector =
	    container_of(keeper, struct connector, keeper);
	uint64_t open_ms = 0;
	char text[ERROR_TEXT_MAX];

	connector->conn = NULL;
	set_socket(connector, 0);
	if (conn->ending.why != SL_WHY_RELOAD)
		note_error(connector,
		    conn_reason_text(conn, &conn->ending, text));
	if (conn->opened) {
		open_ms = engine_now() - connector->state.since_ms;
		connector->state.since_ms = engine_now();
		connector->state.attempts = 0;
	}
	if (connector->stopped)
		show(connector, CONNECTOR_STOPPED);
	else if (conn->ending.why == SL_WHY_RELOAD)
		begin(connector); /* nothing is wrong: new code wants it */
	else
		retry(connector, open_ms);
}

/* The same call as a plugin makes; so `client` serves it. */
static void
attempt(struct connector *connector)
{
	const struct target *target = &connector->target;
	const struct tls_settings *tls =
	    &connector->listener->settings->connect_tls;
	const struct sl_connect_options options = {
		.size = sizeof(options),
		/* We log attempts that fail, and at a limited rate. */
		.flags = SL_CONNECT_QUIET |
		    (tls->on && !tls->starttls ? SL_CONNECT_TLS : 0),
		.host = target->host[0] != '\0' ? target->host : NULL,
		.port = target->port,
		.unix_path = target->host[0] == '\0' ? target->unix_path : NULL,
	};
	struct sl_conn *conn;

	connector->state.attempts++;
	conn = api_connect(connector->listener->current, &options);
	if (conn == NULL) {
		note_error(connector, error_text(errno));
		retry(connector, 0);
		return;
	}
	/* It lasts for as long as the daemon, and so must not hold that up. */
	conn_set_hold(conn, false);
	conn->extra->keeper = &connector->keeper;
	connector->conn = conn;
	show(connector, CONNECTOR_CONNECTING);
}

static void
on_timer(struct timer *timer)
{
	attempt(container_of(timer, struct connector, timer));
}

/* Close its connection, which is not to be made again. */
static void
let_go(struct connector *connector, enum sl_why why)
{
	struct sl_conn *conn = connector->conn;

	if (conn == NULL)
		return;
	connector->conn = NULL;
	set_socket(connector, 0);
	conn->extra->keeper = NULL;
	conn_close(conn, why);
	conn_pend(conn);
}

struct connector *
connector_new(struct listener *listener)
{
	struct connector *connector = calloc(1, sizeof(*connector));

	if (connector == NULL)
		return NULL;
	connector->listener = listener;
	connector->keeper =
	    (struct keeper){ .on_open = on_open, .on_end = on_end };
	if (timers_attach(engine.timers, &connector->timer, on_timer) == -1) {
		free(connector);
		errno = ENOMEM;
		return NULL;
	}
	return connector;
}

void
connector_free(struct connector *connector)
{
	if (connector == NULL)
		return;
	if (connector->conn != NULL) {
		set_socket(connector, 0);
		connector->conn->extra->keeper = NULL;
	}
	timers_detach(engine.timers, &connector->timer);
	free(connector);
}

static bool
same_target(const struct target *a, const struct target *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port &&
	    strcmp(a->unix_path, b->unix_path) == 0;
}

static bool
same_retry(const struct retry_settings *a, const struct retry_settings *b)
{
	return a->first_ms == b->first_ms && a->max_ms == b->max_ms &&
	    memcmp(&a->jitter, &b->jitter, sizeof(a->jitter)) == 0;
}

void
connector_go(struct connector *connector, bool changed)
{
	const struct connector_settings *settings = settings_of(connector);
	struct target target;
	struct error err;
	bool moved;

	/* The reader has checked it. */
	if (target_parse(settings->connect, &target, &err) == -1)
		endpoint_log(&connector->listener->endpoint, LOG_LEVEL_ERROR,
		    "connect: %s", err.text);
	moved = !same_target(&target, &connector->target);
	changed = changed || moved || connector->stopped ||
	    !same_retry(&settings->retry, &connector->retry);
	connector->target = target;
	connector->retry = settings->retry;
	connector->stopped = false;
	if (moved) {
		let_go(connector, SL_WHY_RELOAD);
		connector->state = (struct connector_state){
			.since_ms = engine_now(),
		};
	}
	if (connector->conn == NULL && changed)
		begin(connector);
}

void
connector_stop(struct connector *connector, enum sl_why why)
{
	if (connector->stopped)
		return;
	connector->stopped = true;
	timers_cancel(engine.timers, &connector->timer);
	if (connector->conn != NULL && !connector->conn->opened)
		let_go(connector, why);
	if (connector->conn == NULL)
		show(connector, CONNECTOR_STOPPED);
}

bool
connector_is_stopped(const struct connector *connector)
{
	return connector->stopped;
}

void
connector_end(struct connector *connector, enum sl_why why)
{
	let_go(connector, why);
	show(connector, CONNECTOR_NONE);
}

/* api_service.c: the calls of sluice.h on services, timers, logs and time. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/container_of.h"
#include "base/fail.h"
#include "base/log.h"
#include "ipc/counts.h"
#include "worker/accept.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/gen.h"
#include "worker/listener.h"
#include "worker/options.h"
#include "worker/own_thread.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker/uplink.h"

#define PLUGIN_LINE_MAX 1024 /* of what a plugin may log at once */

const char *
sl_service_name(const struct sl_service *service)
{
	if (own_thread_is_other())
		return "";
	return service != NULL ? service->listener->endpoint.name : "";
}

uint32_t
sl_state_version(const struct sl_service *service)
{
	if (own_thread_is_other())
		return 0;
	return service != NULL ? service->plugin->descriptor.state_version : 0;
}

void *
sl_service_data(const struct sl_service *service)
{
	if (own_thread_is_other())
		return NULL;
	return service != NULL ? service->state->data : NULL;
}

void
sl_set_service_data(struct sl_service *service, void *data)
{
	if (own_thread_is_other())
		return;
	if (service != NULL)
		service->state->data = data;
}

const struct sl_options *
sl_options(const struct sl_service *service)
{
	if (own_thread_is_other())
		return NULL;
	return service != NULL ? service->options : NULL;
}

struct sl_service *
sl_find_service(const struct sl_service *service, const char *name)
{
	struct listener *listener;

	if (own_thread_is_other())
		return NULL;
	if (service == NULL || name == NULL) {
		errno = EINVAL;
		return NULL;
	}
	listener = gen_find(name);
	if (listener == NULL) {
		errno = ENOENT;
		return NULL;
	}
	/* Other code has other structs behind sl_service_data(). */
	if (listener->current->plugin != service->plugin) {
		errno = EPERM;
		return NULL;
	}
	return listener->current;
}

const struct sl_address *
sl_listen_address(const struct sl_service *service, unsigned int index)
{
	const struct acceptor *acceptor, *before = NULL;

	if (own_thread_is_other())
		return NULL;
	if (service == NULL)
		return NULL;
	TAILQ_FOREACH(acceptor, &service->listener->acceptors, link) {
		/*
		 * If one worker has the sockets of all, they share an address.
		 */
		if (before != NULL && before->index == acceptor->index &&
		    strcmp(before->text, acceptor->text) == 0)
			continue;
		if (index-- == 0)
			return &acceptor->address;
		before = acceptor;
	}
	return NULL;
}

/* Does this version of the service serve this connection? */
static bool
serves(const struct sl_service *service, struct sl_conn *conn)
{
	if (conn->service->listener != service->listener)
		return false;
	/* First move it to newer code, as far as that needs no callback. */
	if (conn->service->successor != NULL)
		conn_follow_quietly(conn);
	return conn->service == service && conn->opened && !conn_closing(conn);
}

struct sl_conn *
sl_find(struct sl_service *service, uint64_t id)
{
	struct sl_conn *conn;

	if (own_thread_is_other())
		return NULL;
	if (service == NULL)
		return NULL;
	conn = conn_find(id);
	return conn != NULL && serves(service, conn) ? conn : NULL;
}

/*
 * The first connection from `conn` on that is open and that `service` serves.
 */
static struct sl_conn *
next_served(const struct sl_service *service, struct sl_conn *conn)
{
	while (conn != NULL && !serves(service, conn))
		conn = TAILQ_NEXT(conn, link);
	return conn;
}

struct sl_conn *
sl_first(struct sl_service *service)
{
	if (own_thread_is_other())
		return NULL;
	if (service == NULL)
		return NULL;
	return next_served(service, TAILQ_FIRST(&service->listener->conns));
}

struct sl_conn *
sl_next(struct sl_conn *c)
{
	if (own_thread_is_other())
		return NULL;
	if (conn_gone(c))
		return NULL; /* it has left the list already */
	return next_served(c->service, TAILQ_NEXT(c, link));
}

/* A plugin's timer ran out. */
static void
on_plugin_timer(struct timer *expired)
{
	struct plugin_timer *timer =
	    container_of(expired, struct plugin_timer, timer);
	struct sl_service *service = timer->set->service;
	struct sl_conn *conn = timer->set->conn;
	uint32_t id = timer->id;

	if (conn == NULL && !service_is_committed(service)) {
		/* A reload that is aborted must have changed nothing. */
		plugin_timer_hold(timer);
		return;
	}
	plugin_timer_free(timer);
	if (conn == NULL) {
		callback_timer(service, NULL, id);
		return;
	}
	conn_follow(conn);
	if (!conn_closing(conn))
		callback_timer(conn->service, conn, id);
	conn_settle(conn);
}

int
sl_timer(struct sl_service *service, struct sl_conn *c, uint32_t id,
    uint64_t ms)
{
	if (own_thread_is_other())
		return -1;
	if (service == NULL)
		return fail(EINVAL);
	if (c == NULL)
		return plugin_timer_set(&service->timers, service, NULL, id, ms,
		    on_plugin_timer);
	if (c->dead)
		return fail(ENOTCONN);
	if (c->service->listener != service->listener)
		return fail(EINVAL);
	return plugin_timer_set(&c->timers, NULL, c, id, ms, on_plugin_timer);
}

int
sl_stop(struct sl_service *service, int close_active)
{
	const struct plugin *plugin;
	const char *name;

	if (own_thread_is_other())
		return -1;
	if (service == NULL)
		return fail(EINVAL);
	plugin = callback_context().plugin;
	name = service->plugin->descriptor.name;
	if (plugin == NULL || strcmp(plugin->descriptor.name, name) != 0)
		return fail(EPERM);
	return uplink_ask_stop_listener(service->listener->endpoint.name, name,
	    close_active != 0);
}

int
sl_reload(void)
{
	if (own_thread_is_other())
		return -1;
	return uplink_ask_reload();
}

int
sl_refuse(struct sl_error *err, const char *option, const char *fmt, ...)
{
	va_list ap;

	if (own_thread_is_other())
		return -1;
	va_start(ap, fmt);
	callback_refuse(err, option, fmt, ap);
	va_end(ap);
	return -1;
}

static enum log_level
log_level(int level)
{
	if (level <= SL_LOG_ERROR)
		return LOG_LEVEL_ERROR;
	if (level == SL_LOG_WARN)
		return LOG_LEVEL_WARN;
	return level >= SL_LOG_DEBUG ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

/* A plugin's line, without the newline that some put at the end. */
static void __attribute__((format(printf, 2, 0)))
format_line(char text[PLUGIN_LINE_MAX], const char *fmt, va_list ap)
{
	size_t n;

	vsnprintf(text, PLUGIN_LINE_MAX, fmt, ap);
	n = strlen(text);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
}

/*
 * Is this line left out?  One that names no listener counts for the one whose
 * callback runs.  Other threads are not counted, since they could be anybody's.
 */
static bool
is_left_out(const struct sl_service *service)
{
	if (own_thread_is_other())
		return false;
	if (service == NULL)
		service = callback_context().service;
	return service != NULL &&
	    !endpoint_lets_log(&service->listener->endpoint);
}

void
sl_log(const struct sl_service *service, int level, const char *fmt, ...)
{
	char text[PLUGIN_LINE_MAX];
	va_list ap;

	if (!log_enabled(log_level(level)) || is_left_out(service))
		return;
	va_start(ap, fmt);
	format_line(text, fmt, ap);
	va_end(ap);
	if (service != NULL && !own_thread_is_other())
		endpoint_log(&service->listener->endpoint, log_level(level),
		    "%s", text);
	else
		log_at(log_level(level), "%s", text);
}

void
sl_conn_log(struct sl_conn *c, int level, const char *fmt, ...)
{
	char text[PLUGIN_LINE_MAX];
	va_list ap;

	if (c == NULL || !log_enabled(log_level(level)) ||
	    is_left_out(c->service))
		return;
	va_start(ap, fmt);
	format_line(text, fmt, ap);
	va_end(ap);
	if (own_thread_is_other())
		log_at(log_level(level), "%s", text);
	else
		conn_log(c, log_level(level), ": %s", text);
}

int
sl_count(struct sl_service *service, const char *name, uint64_t n)
{
	if (own_thread_is_other())
		return -1;
	if (service == NULL || name == NULL || !counter_name_valid(name))
		return fail(EINVAL);
	return counter_add(service->counts, service->listener->counters, name,
	    n);
}

uint64_t
sl_now_ms(void)
{
	if (own_thread_is_other())
		return 0;
	return engine_now();
}

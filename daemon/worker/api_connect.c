/*
 * api_connect.c: sl_connect(): checks what the plugin asks for, and makes a
 * connection that the after-pass begins to connect.
 */

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "config/address.h"
#include "config/settings.h"
#include "worker/admission.h"
#include "worker/api_connect.h"
#include "worker/api_struct.h"
#include "worker/api_tls.h"
#include "worker/conn.h"
#include "worker/endpoint.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker/own_thread.h"
#include "worker/service.h"
#include "worker/tls_wish.h"
#include "worker/transport_connect.h"
#include "worker/upstreams.h"

/*
 * Of one listener in one worker: enough for a proxy under load, and not all
 * descriptors of the worker when the peers do not answer.
 */
#define CONNECTING_MAX 1024

/* The options as this daemon knows them.  0, or -1 with errno. */
static int
read_options(struct sl_connect_options *ret,
    const struct sl_connect_options *options)
{
	if (api_read_struct(ret, sizeof(*ret), options, CONNECT_OPTIONS_MIN) ==
	    -1)
		return -1;
	if ((ret->flags & ~(SL_CONNECT_TLS | SL_CONNECT_QUIET)) != 0)
		return fail(EINVAL);
	if (ret->tls != NULL && !(ret->flags & SL_CONNECT_TLS))
		return fail(EINVAL);
	if ((ret->host == NULL) == (ret->unix_path == NULL))
		return fail(EINVAL);
	if (ret->host != NULL && ret->port == 0)
		return fail(EINVAL);
	if (ret->unix_path != NULL &&
	    (ret->port != 0 || ret->source_port != 0 || ret->source != NULL))
		return fail(EINVAL);
	if (ret->keepalive_ms > (int64_t)KEEPIDLE_MAX_S * 1000)
		return fail(EINVAL);
	return 0;
}

static int
unix_address(const char *path, struct endpoint_address *ret)
{
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || path[1] == '\0')
		return fail(EINVAL);
	if (len >= sizeof(ret->un.sun_path))
		return fail(ENAMETOOLONG);
	memset(ret, 0, sizeof(*ret));
	ret->un.sun_family = AF_UNIX;
	memcpy(ret->un.sun_path, path, len);
	ret->len = offsetof(struct sockaddr_un, sun_path) + len;
	if (path[0] == '@')
		ret->un.sun_path[0] = '\0'; /* and no NUL at its end */
	else
		ret->len++;
	return 0;
}

/*
 * "192.0.2.7", "2001:db8::1", "[2001:db8::1]", "fe80::1%eth0".  Asks no resolver.
 * Returns 0, or -1 with ENOTSUP: it is something else.
 */
static int
literal_address(const char *host, unsigned int port,
    struct endpoint_address *ret)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_family = host[0] == '[' ? AF_INET6 : AF_UNSPEC,
	};
	char bare[NI_MAXHOST], service[8];
	size_t len = strlen(host);
	struct addrinfo *info;

	if (len == 0)
		return fail(EINVAL);
	if (host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len >= sizeof(bare))
		return fail(ENOTSUP);
	memcpy(bare, host, len);
	bare[len] = '\0';
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(bare, service, &hints, &info) != 0)
		return fail(ENOTSUP);
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->storage, info->ai_addr, info->ai_addrlen);
	ret->len = info->ai_addrlen;
	freeaddrinfo(info);
	return 0;
}

/* Where to connect from: only a port means that port of any address. */
static int
source_address(const struct sl_connect_options *options,
    struct connect_plan *plan)
{
	bool is_v6 = plan->to.sa.sa_family == AF_INET6;
	const char *source = options->source;

	if (source == NULL && options->source_port == 0)
		return 0;
	if (source == NULL && plan->host != NULL)
		return fail(EINVAL); /* of which family? */
	if (source == NULL)
		source = is_v6 ? "::" : "0.0.0.0";
	if (literal_address(source, options->source_port, &plan->from) == -1)
		return fail(EINVAL);
	if (plan->host == NULL &&
	    plan->from.sa.sa_family != plan->to.sa.sa_family)
		return fail(EAFNOSUPPORT);
	return 0;
}

static int
make_plan(struct connect_plan *ret, const struct sl_connect_options *options,
    const struct listener_settings *settings)
{
	int64_t keepalive_ms = options->keepalive_ms;

	memset(ret, 0, sizeof(*ret));
	if (options->unix_path != NULL)
		return unix_address(options->unix_path, &ret->to);
	if (literal_address(options->host, options->port, &ret->to) == -1) {
		if (errno != ENOTSUP || !host_name_valid(options->host))
			return fail(EINVAL);
		ret->host = options->host;
		ret->port = options->port;
	}
	if (source_address(options, ret) == -1)
		return -1;
	ret->nodelay =
	    options->nodelay != 0 ? options->nodelay > 0 : settings->nodelay;
	ret->keepalive =
	    keepalive_ms != 0 ? keepalive_ms > 0 : settings->keepalive.on;
	if (keepalive_ms == 0)
		keepalive_ms = (int64_t)settings->keepalive.ms;
	if (ret->keepalive)
		ret->keepalive_s = (uint32_t)keepidle_s((uint64_t)keepalive_ms);
	return 0;
}

/* May the service still make connections?  0, or -1 with errno. */
static int
may_connect(const struct sl_service *service)
{
	const struct listener *listener = service->listener;

	/* Without a reference it is in its `stop`. */
	if (engine.closing || listener->closing || service->refs == 0)
		return fail(ESHUTDOWN);
	if (listener->endpoint.connecting >= CONNECTING_MAX)
		return fail(EAGAIN);
	return 0;
}

/* What logs and errors call the peer, where its address does not say it. */
static int
name_target(struct sl_conn *conn, const struct connect_plan *plan)
{
	char text[HOST_NAME_MAX_LEN + sizeof(":65535")];

	if (conn_extra(conn) == NULL)
		return -1;
	if (plan->host != NULL)
		snprintf(text, sizeof(text), "%s:%u", plan->host, plan->port);
	else if (plan->to.sa.sa_family == AF_UNIX)
		sockaddr_text(&plan->to.sa, plan->to.len, text);
	else
		return 0;
	conn->extra->target = strdup(text);
	return conn->extra->target != NULL ? 0 : -1;
}

/* A connection without a socket has to go on. */
static void
on_news(void *arg)
{
	conn_pend(arg);
}

static struct sl_conn *
make(struct sl_service *service, const struct sl_connect_options *options,
    const struct connect_plan *plan)
{
	struct endpoint *endpoint = &service->listener->endpoint;
	struct stream stream;
	struct sl_conn *conn;

	if (stream_connect(&stream, plan, &endpoint->connecting) == -1)
		return NULL;
	conn = conn_new(endpoint, service, stream, SEAT_NONE);
	if (conn == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	conn_pend(conn);
	conn->data = options->data;
	conn->quiet = (options->flags & SL_CONNECT_QUIET) != 0;
	conn_set_peer(conn, &plan->to.sa, plan->to.len);
	stream_connect_news(&conn->stream, on_news, conn);
	if (name_target(conn, plan) == -1) {
		/* As if the plugin had ended it: nothing is called. */
		conn_fail(conn, SL_WHY_LOCAL, 0, SL_STAGE_NONE);
		errno = ENOMEM;
		return NULL;
	}
	conn->extra->connect_ms = options->timeout_ms != 0
	    ? options->timeout_ms
	    : endpoint->timeouts->connect_ms;
	return conn;
}

/* With TLS to follow, if it is wished for.  Takes the wish over. */
static struct sl_conn *
make_with(struct sl_service *service, const struct sl_connect_options *options,
    const struct connect_plan *plan, struct tls_wish *wish)
{
	struct sl_conn *conn = make(service, options, plan);

	if (conn != NULL)
		conn->extra->wish = wish;
	else
		tls_wish_free(wish);
	return conn;
}

struct sl_conn *
api_connect(struct sl_service *service,
    const struct sl_connect_options *options)
{
	struct sl_connect_options known;
	struct tls_wish *wish = NULL;
	struct connect_plan plan;
	char text[HOST_TEXT_MAX];

	if (service == NULL) {
		errno = EINVAL;
		return NULL;
	}
	if (read_options(&known, options) == -1 ||
	    make_plan(&plan, &known, service->listener->settings) == -1 ||
	    may_connect(service) == -1)
		return NULL;
	if (known.flags & SL_CONNECT_TLS) {
		wish = api_tls_wish(service, known.tls,
		    plan.host != NULL ? plan.host
				      : sockaddr_host(&plan.to.sa, text));
		if (wish == NULL)
			return NULL;
	}
	return make_with(service, &known, &plan, wish);
}

struct sl_conn *
sl_connect(struct sl_service *service, const struct sl_connect_options *options)
{
	struct sl_conn *conn;

	if (own_thread_is_other())
		return NULL;
	conn = api_connect(service, options);
	if (conn != NULL)
		upstreams_note(conn);
	return conn;
}

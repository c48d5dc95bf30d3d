/*
 * connector.c: makes connections.  A client sends "HOST PORT" or "PATH" in a
 * line, and is then connected to that peer; with TLS for "HOST PORT tls" or "HOST
 * PORT tls NAME", where NAME is what the certificate has to be valid for.  With the option `link`, "HOST
 * PORT" as well, the service itself keeps a connection to that peer, from
 * `start` on, and says hello there.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrorname_np */
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#ifndef VERSION
#define VERSION "v1"
#endif

#define LINE_MAX 256
#define RETRY_TIMER 1u
#define RETRY_MS 20

/* sl_data() is the id of the other connection, or LINK; 0: there is none. */
#define LINK ((void *)~(uintptr_t)0)

static const struct sl_option options[] = {
	{ "link", SL_OPTION_STRING, "", "the peer of the service itself" },
	{ "fail", SL_OPTION_BOOL, "false", "do not start" },
	{ "unref", SL_OPTION_BOOL, "false", "no drain waits for the link" },
	{ 0 },
};

#define trace(c, ...)                                                  \
	do {                                                           \
		char text_[512];                                       \
		snprintf(text_, sizeof(text_), __VA_ARGS__);           \
		sl_log(sl_service(c), SL_LOG_INFO,                     \
		    "trace %" PRIu64 " %s " VERSION, sl_id(c), text_); \
	} while (0)

/* Connect to "HOST PORT" with what may follow, or "PATH". */
static struct sl_conn *
connect_to(struct sl_service *service, char *where, void *data)
{
	struct sl_connect_options o = { .size = sizeof(o), .data = data };
	struct sl_tls_options tls = { .size = sizeof(tls) };
	char *word, *rest = NULL;

	o.unix_path = strtok_r(where, " ", &rest);
	if ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		o.host = where;
		o.unix_path = NULL;
		o.port = (uint16_t)atoi(word);
	}
	if (strtok_r(NULL, " ", &rest) != NULL) {
		o.flags = SL_CONNECT_TLS;
		o.tls = &tls;
		tls.verify_name = strtok_r(NULL, " ", &rest);
	}
	return sl_connect(service, &o);
}

static struct sl_conn *
other(struct sl_conn *c)
{
	return sl_find(sl_service(c), (uint64_t)(uintptr_t)sl_data(c));
}

static int
link_up(struct sl_service *service)
{
	char where[LINE_MAX];
	struct sl_conn *c;

	snprintf(where, sizeof(where), "%s",
	    sl_option_string(sl_options(service), "link"));
	if (where[0] == '\0')
		return 0;
	c = connect_to(service, where, LINK);
	if (c == NULL) {
		sl_log(service, SL_LOG_INFO, "no link: %s",
		    strerrorname_np(errno));
		return 0;
	}
	if (sl_option_bool(sl_options(service), "unref"))
		sl_unref(c);
	return sl_send(c, "hello " VERSION "\n", strlen("hello " VERSION "\n"));
}

static int
on_start(struct sl_service *service)
{
	if (link_up(service) == -1)
		return -1;
	return sl_option_bool(sl_options(service), "fail") ? -1 : 0;
}

/* Each version has a link of its own, and the one before keeps its own. */
static int
on_reload(struct sl_service *next, struct sl_service *prev)
{
	(void)prev;
	return on_start(next);
}

static void
on_timer(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	(void)c;
	(void)id;
	link_up(service);
}

static void
on_handshake(struct sl_conn *c, const struct sl_error *err)
{
	const char *name = sl_servername(c), *protocol = sl_alpn(c);

	if (err == NULL)
		trace(c, "handshake %s name=%s alpn=%s authorized=%d peer=%s",
		    sl_tls_version(c), name != NULL ? name : "-",
		    protocol != NULL ? protocol : "-", sl_authorized(c),
		    sl_peer_certificate(c)->subject);
}

static int
on_open(struct sl_conn *c)
{
	struct sl_conn *client = other(c);

	trace(c, "open %s", sl_is_client(c) ? "out" : "in");
	if (sl_data(c) == LINK || !sl_is_client(c))
		return 0;
	if (client == NULL)
		return -1;
	sl_set_data(client, (void *)(uintptr_t)sl_id(c));
	sl_resume(client);
	return 0;
}

/* The line of a client that has no peer yet. */
static ssize_t
on_line(struct sl_conn *c, const char *buf, size_t len)
{
	const char *end = memchr(buf, '\n', len);
	char where[LINE_MAX];

	if (end == NULL)
		return len < LINE_MAX ? 0 : -1;
	snprintf(where, sizeof(where), "%.*s", (int)(end - buf), buf);
	sl_pause(c); /* until the peer is there */
	if (connect_to(sl_service(c), where, (void *)(uintptr_t)sl_id(c)) ==
	    NULL) {
		sl_send(c, "cannot\n", 7);
		return -1;
	}
	return end + 1 - buf;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	ssize_t n;

	if (sl_data(c) == LINK)
		return (ssize_t)len;
	if (!sl_is_client(c) && sl_data(c) == NULL)
		return on_line(c, buf, len);
	n = sl_write(other(c), buf, len);
	if (n != (ssize_t)len)
		sl_pause(c); /* until the other one has room */
	return n;
}

static void
on_drain(struct sl_conn *c)
{
	struct sl_conn *from = other(c);

	if (from != NULL)
		sl_resume(from);
}

static void
on_end(struct sl_conn *c)
{
	struct sl_conn *to = other(c);

	if (to != NULL)
		sl_end(to, NULL, 0);
	else
		sl_close(c);
}

static void
on_connect_error(struct sl_conn *c, const struct sl_error *err)
{
	struct sl_conn *client = other(c);

	trace(c, "connect_error %s %s stage=%u", err->text,
	    strerrorname_np(err->sys_errno), err->stage);
	if (sl_data(c) == LINK)
		sl_timer(sl_service(c), NULL, RETRY_TIMER, RETRY_MS);
	else if (client != NULL)
		sl_close(client);
}

static void
on_close(struct sl_conn *c, const struct sl_error *why)
{
	struct sl_conn *to = other(c);

	trace(c, "close %s", why->text);
	if (sl_data(c) == LINK)
		link_up(sl_service(c)); /* again and again */
	else if (to != NULL)
		sl_close(to);
}

SL_PLUGIN(.name = "connector", .version = VERSION, .flags = SL_MANY_WORKERS,
    .options = options, .start = on_start, .reload = on_reload,
    .timer = on_timer,
    .server = SL_HANDLERS(.handshake = on_handshake, .open = on_open,
	.data = on_data, .drain = on_drain, .end = on_end,
	.connect_error = on_connect_error, .close = on_close));

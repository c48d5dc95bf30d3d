/*
 * conn_name.c: a connection's addresses as text, made when first asked for, and
 * why it ends.
 */

#include "worker/conn.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/log_line.h"
#include "base/why.h"
#include "config/address.h"
#include "config/settings.h"
#include "worker/endpoint.h"
#include "worker/proxy.h"
#include "worker/tls_wish.h"

struct name {
	struct sl_address address;
	char text[ADDRESS_TEXT_MAX];
};

struct conn_names {
	struct name remote, local;
	bool has_local;	    /* which takes a system call */
	struct name peer[]; /* one, if that is not the remote end */
};

/* What a plugin gets when there is no memory: it never gets NULL. */
static const struct sl_address unknown = {
	.size = sizeof(unknown),
	.text = "unknown",
};

static void
fill(struct name *name, const struct sockaddr *sa, socklen_t len)
{
	struct sl_address *address = &name->address;

	address->size = sizeof(*address);
	address->family = sa->sa_family;
	address->text = sockaddr_text(sa, len, name->text);
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		address->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		address->port = ntohs(in6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			address->family = AF_INET; /* as its text reads */
	}
}

socklen_t
conn_peer_len(const struct sl_conn *conn)
{
	switch (conn->peer.sa.sa_family) {
	case AF_INET:
		return sizeof(conn->peer.in);
	case AF_INET6:
		return sizeof(conn->peer.in6);
	default:
		return sizeof(sa_family_t); /* unnamed */
	}
}

/* Has a header said who the client is? */
static bool
is_proxied(const struct sl_conn *conn)
{
	const struct proxied *proxied = conn_proxied(conn);

	return proxied != NULL && proxied->has_addresses;
}

const struct sockaddr *
conn_client(const struct sl_conn *conn, socklen_t *ret_len)
{
	if (is_proxied(conn)) {
		*ret_len = conn_proxied(conn)->from.len;
		return &conn_proxied(conn)->from.u.sa;
	}
	*ret_len = conn_peer_len(conn);
	return &conn->peer.sa;
}

const char *
conn_remote_text(const struct sl_conn *conn, char text[ADDRESS_TEXT_MAX])
{
	const struct sockaddr *client;
	socklen_t len;

	if (conn->peer.sa.sa_family != AF_UNIX || conn->extra == NULL ||
	    conn->extra->target == NULL) {
		client = conn_client(conn, &len);
		return sockaddr_text(client, len, text);
	}
	snprintf(text, ADDRESS_TEXT_MAX, "%s", conn->extra->target);
	return text;
}

const char *
conn_host(const struct sl_conn *conn, char text[HOST_TEXT_MAX])
{
	const char *target = conn->extra != NULL ? conn->extra->target : NULL;

	if (!conn->is_client || conn->stream.is_unix)
		return NULL;
	if (target == NULL)
		return sockaddr_host(&conn->peer.sa, text);
	snprintf(text, HOST_TEXT_MAX, "%.*s", (int)strcspn(target, ":"),
	    target);
	return text;
}

/* The address of our end of the socket. */
static void
fill_from_socket(struct name *name, int fd)
{
	struct sockaddr_storage local = { 0 };
	socklen_t len = sizeof(local);

	if (fd == -1 || getsockname(fd, (struct sockaddr *)&local, &len) == -1)
		len = sizeof(sa_family_t);
	fill(name, (struct sockaddr *)&local, len);
}

static struct conn_names *
names(struct sl_conn *conn)
{
	const struct sockaddr *client;
	struct conn_names *names;
	socklen_t len;

	if (conn_extra(conn) == NULL)
		return NULL;
	if (conn->extra->names != NULL)
		return conn->extra->names;
	names = calloc(1,
	    sizeof(*names) + (is_proxied(conn) ? sizeof(struct name) : 0));
	if (names == NULL)
		return NULL;
	client = conn_client(conn, &len);
	fill(&names->remote, client, len);
	if (is_proxied(conn))
		fill(names->peer, &conn->peer.sa, conn_peer_len(conn));
	conn_remote_text(conn, names->remote.text);
	conn->extra->names = names;
	return names;
}

const struct sl_address *
conn_remote(struct sl_conn *conn)
{
	struct conn_names *n = names(conn);

	return n != NULL ? &n->remote.address : &unknown;
}

const struct sl_address *
conn_local(struct sl_conn *conn)
{
	struct conn_names *n = names(conn);

	if (n == NULL)
		return &unknown;
	if (!n->has_local && is_proxied(conn))
		fill(&n->local, &conn_proxied(conn)->to.u.sa,
		    conn_proxied(conn)->to.len);
	else if (!n->has_local)
		fill_from_socket(&n->local, conn->stream.fd);
	n->has_local = true;
	return &n->local.address;
}

const struct sl_address *
conn_peer(struct sl_conn *conn)
{
	struct conn_names *n = names(conn);

	if (n == NULL)
		return &unknown;
	return is_proxied(conn) ? &n->peer->address : &n->remote.address;
}

const char *
conn_label(const struct sl_conn *conn, char text[CONN_LABEL_MAX])
{
	char remote[ADDRESS_TEXT_MAX];

	snprintf(text, CONN_LABEL_MAX, "conn %" PRIu64 " %s %s", conn->id.id,
	    conn->endpoint->name, conn_remote_text(conn, remote));
	return text;
}

void
conn_log_fields(const struct sl_conn *conn, enum log_level level,
    const char *text, const struct log_field *fields, unsigned int count)
{
	char remote[ADDRESS_TEXT_MAX], label[CONN_LABEL_MAX];
	char prefix[LOG_MESSAGE_MAX + CONN_LABEL_MAX];
	struct log_field all[3 + CONN_LOG_FIELDS_MAX] = {
		{ "connection", NULL, conn->id.id, true },
		{ "listener", conn->endpoint->name, 0, true },
		{ "peer", remote, 0, true },
	};

	if (!log_enabled(level))
		return;
	conn_remote_text(conn, remote);
	snprintf(prefix, sizeof(prefix), "%s%s", conn_label(conn, label), text);
	if (count > 0)
		memcpy(all + 3, fields, count * sizeof(*fields));
	log_fields(level, prefix, all, 3 + count);
}

void
conn_log(const struct sl_conn *conn, enum log_level level, const char *fmt, ...)
{
	char text[LOG_MESSAGE_MAX];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_log_fields(conn, level, text, NULL, 0);
}

void
conn_names_free(struct sl_conn *conn)
{
	if (conn->extra == NULL)
		return;
	free(conn->extra->names);
	conn->extra->names = NULL;
}

const char *
conn_reason_text(const struct sl_conn *conn, const struct ending *why,
    char text[ERROR_TEXT_MAX])
{
	const char *fault = stream_fault_text(&conn->stream, why->why);

	if (fault != NULL)
		snprintf(text, ERROR_TEXT_MAX, "%s: %s", why_text(why->why),
		    fault);
	else if (why->sys_errno != 0)
		snprintf(text, ERROR_TEXT_MAX, "%s: %s", why_text(why->why),
		    error_text(why->sys_errno));
	else
		snprintf(text, ERROR_TEXT_MAX, "%s", why_text(why->why));
	return text;
}

struct extra *
conn_extra(struct sl_conn *conn)
{
	if (conn->extra == NULL)
		conn->extra = calloc(1, sizeof(*conn->extra));
	return conn->extra;
}

void
conn_extra_free(struct sl_conn *conn)
{
	conn_names_free(conn);
	if (conn->extra == NULL)
		return;
	free(conn->extra->pace);
	free(conn->extra->target);
	tls_wish_free(conn->extra->wish);
	free(conn->extra->proxied);
	free(conn->extra);
	conn->extra = NULL;
}

void
conn_set_peer(struct sl_conn *conn, const struct sockaddr *peer, socklen_t len)
{
	conn_names_free(conn);
	/* The address of a named unix socket is longer: it is shown unnamed. */
	memset(&conn->peer, 0, sizeof(conn->peer));
	conn->peer.sa.sa_family = AF_UNIX;
	if (len > 0 && len <= sizeof(conn->peer))
		memcpy(&conn->peer, peer, len);
}

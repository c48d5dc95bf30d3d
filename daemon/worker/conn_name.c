/* conn_name.c: a connection's addresses as text, made when first asked for. */

#include "worker/conn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config/address.h"
#include "config/settings.h"
#include "worker/endpoint.h"

struct conn_names {
	struct sl_address remote, local;
	char remote_text[ADDRESS_TEXT_MAX], local_text[ADDRESS_TEXT_MAX];
};

/* What a plugin gets when there is no memory: it never gets NULL. */
static const struct sl_address unknown = {
	.size = sizeof(unknown),
	.text = "unknown",
};

static void
fill(struct sl_address *address, char text[ADDRESS_TEXT_MAX],
    const struct sockaddr *sa, socklen_t len)
{
	address->size = sizeof(*address);
	address->family = sa->sa_family;
	address->text = sockaddr_text(sa, len, text);
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

static socklen_t
peer_len(const struct sl_conn *conn)
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

static struct conn_names *
names(struct sl_conn *conn)
{
	struct sockaddr_storage local = { 0 };
	socklen_t len = sizeof(local);
	struct conn_names *names;

	if (conn_extra(conn) == NULL)
		return NULL;
	if (conn->extra->names != NULL)
		return conn->extra->names;
	names = calloc(1, sizeof(*names));
	if (names == NULL)
		return NULL;
	if (conn->stream.fd == -1 ||
	    getsockname(conn->stream.fd, (struct sockaddr *)&local, &len) == -1)
		len = sizeof(sa_family_t);
	fill(&names->local, names->local_text, (struct sockaddr *)&local, len);
	fill(&names->remote, names->remote_text, &conn->peer.sa,
	    peer_len(conn));
	conn->extra->names = names;
	return names;
}

const struct sl_address *
conn_remote(struct sl_conn *conn)
{
	struct conn_names *n = names(conn);

	return n != NULL ? &n->remote : &unknown;
}

const struct sl_address *
conn_local(struct sl_conn *conn)
{
	struct conn_names *n = names(conn);

	return n != NULL ? &n->local : &unknown;
}

const char *
conn_label(const struct sl_conn *conn, char text[CONN_LABEL_MAX])
{
	char remote[ADDRESS_TEXT_MAX];

	snprintf(text, CONN_LABEL_MAX, "conn %" PRIu64 " %s %s", conn->id.id,
	    conn->endpoint->name,
	    sockaddr_text(&conn->peer.sa, peer_len(conn), remote));
	return text;
}

void
conn_names_free(struct sl_conn *conn)
{
	if (conn->extra == NULL)
		return;
	free(conn->extra->names);
	conn->extra->names = NULL;
}

struct extra *
conn_extra(struct sl_conn *conn)
{
	if (conn->extra == NULL)
		conn->extra = calloc(1, sizeof(*conn->extra));
	return conn->extra;
}

/*
 * conn_proxy.c: a connection whose peer is a proxy, when the header has come
 * that says who the client is.
 */

#include "worker/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/address.h"
#include "config/settings.h"
#include "worker/endpoint.h"
#include "worker/engine.h"
#include "worker/proxy.h"

/* From now on the log names the client; once, it names the proxy as well. */
static void
log_proxy(const struct sl_conn *conn, const struct proxied *proxied)
{
	char via[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	const struct log_field fields[] = {
		{ "via",
		    sockaddr_text(&conn->peer.sa, conn_peer_len(conn), via), 0,
		    false },
		{ "to", sockaddr_text(&proxied->to.u.sa, proxied->to.len, to),
		    0, false },
	};

	conn_log_fields(conn, LOG_LEVEL_INFO, " proxied", fields, 2);
}

bool
conn_take_header(struct sl_conn *conn)
{
	struct proxied *proxied;

	if (proxy_end(&conn->stream, &proxied) == -1) {
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_READ);
		return false;
	}
	if (proxied == NULL)
		return true; /* it has said nothing */
	if (conn_extra(conn) == NULL) {
		free(proxied);
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_READ);
		return false;
	}
	conn_names_free(conn);
	conn->extra->proxied = proxied;
	if (!proxied->has_addresses)
		return true;
	/* A sample has the lines of an end, which is not known yet. */
	if (endpoint_logs_access(conn->endpoint) &&
	    conn->endpoint->access->sample == 1)
		log_proxy(conn, proxied);
	if (!admission_lets_in(conn->endpoint, &proxied->from.u.sa,
		proxied->from.len) ||
	    !admission_in_address_rate(conn->endpoint, &proxied->from.u.sa,
		proxied->from.len) ||
	    !seat_take_address(&conn->seat, conn->endpoint, &proxied->from.u.sa,
		proxied->from.len)) {
		conn_fail(conn, SL_WHY_LIMIT, 0, SL_STAGE_NONE);
		return false;
	}
	return true;
}

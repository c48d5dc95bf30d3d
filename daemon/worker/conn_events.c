/*
 * conn_events.c: which events of its descriptor a connection hears of.  This is
 * the one place where the descriptor is registered.
 */

#include "worker/conn.h"

#include <errno.h>

#include "worker/engine.h"
#include "worker/hangup.h"

/* Register for exactly these. */
static void
arm(struct sl_conn *conn, unsigned int wants)
{
	if (wants == conn->wants)
		return;
	if (conn->wants != 0)
		event_del(&conn->event);
	conn->wants = wants;
	if (wants == 0)
		return;
	/* The callback is that of its birth; the descriptor may be newer. */
	if (event_assign(&conn->event, engine.base, conn->stream.fd,
		wants | EV_PERSIST, event_get_callback(&conn->event),
		conn) == -1 ||
	    event_add(&conn->event, NULL) == -1) {
		conn->wants = 0;
		conn_fail(conn, SL_WHY_MEMORY, errno, SL_STAGE_NONE);
		conn_pend(conn);
	}
}

void
conn_want_events(struct sl_conn *conn, unsigned int wants)
{
	if (conn->stream.fd == -1)
		return; /* there is no socket yet */
	arm(conn, wants);
	/* Where nothing is wanted of it, it may still break. */
	if (conn->wants == 0 && !conn->watched)
		conn->watched = hangup_watch(conn->stream.fd, conn) == 0;
}

void
conn_forget_events(struct sl_conn *conn)
{
	arm(conn, 0);
	if (conn->watched)
		hangup_forget(conn->stream.fd);
	conn->watched = false;
}

/*
 * conn_events.c: which events of its descriptor a connection waits for.  The
 * descriptor is registered in this file alone.
 */

#include "worker/conn.h"

#include <errno.h>

#include "worker/engine.h"
#include "worker/hangup.h"

/* Register for exactly these events. */
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
	/*
	 * The callback is the one set at creation; the descriptor may be new.
	 */
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
	/*
	 * If we wait for no event, the socket may still break.  But many a pause
	 * ends before the pass does: look again then.
	 */
	if (conn->wants != 0 || conn->watched) {
		conn->to_watch = false;
	} else if (!conn->to_watch) {
		conn->to_watch = true;
		conn_pend(conn);
	} else if (!conn->pending) {
		conn->watched = hangup_watch(conn->stream.fd, conn) == 0;
	}
}

void
conn_forget_events(struct sl_conn *conn)
{
	arm(conn, 0);
	if (conn->watched)
		hangup_forget(conn->stream.fd);
	conn->watched = false;
}

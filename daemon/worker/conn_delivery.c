/*
 * conn_delivery.c: what has become of the output.  What the kernel has taken is
 * sent; what the peer has acknowledged has arrived.  The kernel is asked when a
 * deadline would end something, and when a connection ends, never for each
 * message.
 */

#include "worker/conn.h"

#include "worker/engine.h"

uint32_t
conn_ask_waiting(struct sl_conn *conn)
{
	conn->waiting = conn->bytes_out == 0
	    ? 0
	    : conn->stream.transport->waiting(&conn->stream) +
		conn->stream.unsent;
	return conn->waiting;
}

void
conn_drop_output(struct sl_conn *conn)
{
	size_t lost = conn->lost + conn_unsent(conn);

	conn->lost = lost < UINT32_MAX ? lost : UINT32_MAX;
	queue_clear(&conn->queue);
	conn->stream.unsent = 0;
}

uint64_t
conn_undelivered(const struct sl_conn *conn)
{
	/* What lies in a unix socket is the peer's, whatever becomes of us. */
	return (uint64_t)conn->lost +
	    (conn->stream.is_unix ? 0 : conn->waiting);
}

/*
 * When the peer took what it has taken since the last look.  A unix socket does
 * not say: at once, if nothing waited then or waits now.
 */
static uint64_t
taken_at(const struct sl_conn *conn, bool waited)
{
	int64_t quiet_ms = conn->stream.transport->quiet_ms(&conn->stream);
	uint64_t now = engine_now();

	if (quiet_ms >= 0 && (uint64_t)quiet_ms <= now)
		return now - quiet_ms;
	return waited || conn->waiting > 0 ? now : conn->progress_ms;
}

void
conn_ask_progress(struct sl_conn *conn)
{
	bool waited = conn->waiting > 0, moved, has_room;
	int64_t acked;
	uint64_t at;

	if (conn->bytes_out == 0)
		return;
	acked = (int64_t)conn->bytes_out - conn_ask_waiting(conn);
	moved = acked > conn->acked;
	conn->acked = acked;
	if (moved && (at = taken_at(conn, waited)) > conn->progress_ms)
		conn->progress_ms = at;
	has_room = conn->stream.is_unix && !conn_marked(conn, MARK_BLOCKED);
	/*
	 * What was sent is traffic when it was sent, unless what had been sent
	 * before still waits: then nobody takes it.  For a unix socket that
	 * means that it is full, since what waits there is memory: two messages
	 * take up more of it than ten that were taken.
	 */
	if ((moved || !waited || has_room) &&
	    conn->progress_ms > conn->active_ms)
		conn->active_ms = conn->progress_ms;
}

/*
 * conn_delivery.c: how far the output has come.  Output that the kernel has
 * taken is sent; output that the peer has acknowledged has arrived.  The kernel
 * is asked when a deadline would end something, and when a connection ends, but
 * never for each message.
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
	/* The peer can read what is in a unix socket even after we are gone. */
	return (uint64_t)conn->lost +
	    (conn->stream.is_unix ? 0 : conn->waiting);
}

/*
 * When the peer took the output that it has taken since we last asked.  A unix
 * socket does not tell.  There, if nothing waited then and nothing waits now,
 * the peer took it as soon as it was sent; otherwise we say now.
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
	 * Output counts as traffic from when it was sent, unless older output
	 * still waits: then the peer takes nothing.  For a unix socket, "waits"
	 * means that it is full, because the kernel counts memory there and not
	 * bytes: two messages that wait may take up more than ten that were
	 * read.
	 */
	if ((moved || !waited || has_room) &&
	    conn->progress_ms > conn->active_ms)
		conn->active_ms = conn->progress_ms;
}

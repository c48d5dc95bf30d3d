/*
 * conn_settle.c: what follows from an event.  Events and calls only move
 * halves, fill the queue and set marks.  When no callback is running any more,
 * conn_settle() looks at the state of the connection and does what is due.
 */

#include "worker/conn.h"

#include <errno.h>

#include "config/settings.h"
#include "worker/callback.h"
#include "worker/endpoint.h"
#include "worker/engine.h"
#include "worker/hangup.h"

/* Both halves are closed: do we still wait for output to arrive? */
static bool
awaits_delivery(struct sl_conn *conn)
{
	if (conn->failed || !conn->stream.finished)
		return false;
	conn_ask_waiting(conn);
	if (conn_undelivered(conn) == 0)
		return false;
	conn_begin_closing(conn);
	return true;
}

/* The input has ended with a fault: it may not be the peer who ended it. */
static void
cut_short(struct sl_conn *conn)
{
	struct ending by = conn_broken_by(conn, 0, SL_STAGE_READ);

	conn_decide(conn, by.why, by.sys_errno, by.stage);
	conn_close(conn, by.why);
}

/* End of file: tell the plugin, once it has seen all input that it can take. */
static void
finish_input(struct sl_conn *conn)
{
	if (conn_marked(conn, MARK_PAUSED))
		return;
	if (input_bytes(conn->input) > 0 &&
	    conn_marked(conn, MARK_DRAIN_OWED | MARK_REPRESENT))
		return;
	input_drop(&conn->input);
	conn_set_in(conn, HALF_CLOSED);
	if (stream_fault(&conn->stream) != NULL)
		cut_short(conn);
	else if (!callback_end(conn))
		conn_close(conn, SL_WHY_LOCAL);
}

static bool
drain_due(const struct sl_conn *conn)
{
	return conn->out == HALF_OPEN && conn_drain_due(conn);
}

static bool
represent_due(const struct sl_conn *conn)
{
	/* Before the upgrade it is plain text, which conn_upgrade() refuses. */
	return conn_marked(conn, MARK_REPRESENT) && conn->in == HALF_OPEN &&
	    !conn_marked(conn, MARK_PAUSED | MARK_UPGRADE);
}

/* Is the kept input full, with nothing to come that frees some of it? */
static bool
input_stuck(const struct sl_conn *conn)
{
	return conn->in == HALF_OPEN && conn_input_full(conn) &&
	    !conn_marked(conn, MARK_DRAIN_OWED | MARK_PAUSED | MARK_REPRESENT);
}

/* May input be read?  A pause holds up the plugin's input, not a handshake. */
static bool
takes_input(const struct sl_conn *conn)
{
	if (conn_marked(conn, MARK_STARTING))
		return !conn->queued && !conn_marked(conn, MARK_INPUT_STARVED);
	return conn_can_read(conn);
}

/* Set the events and the timer that we wait for next. */
static void
await(struct sl_conn *conn)
{
	unsigned int wants = 0;

	if (takes_input(conn))
		wants |= conn->stream.recv_needs;
	if (conn_marked(conn, MARK_BLOCKED) && !conn_marked(conn, MARK_STARVED))
		wants |= conn->stream.send_needs;
	conn_want_events(conn, wants);
	conn_set_timer(conn);
	conn->marks &= ~MARK_DEADLINE;
}

/* If it is still starting: go on with that.  Returns true when that is all. */
static bool
start_on(struct sl_conn *conn)
{
	if (conn_marked(conn, MARK_STARTING))
		conn_start(conn);
	if (!conn_marked(conn, MARK_STARTING) || conn->failed)
		return false;
	await(conn);
	return true;
}

void
conn_settle(struct sl_conn *conn)
{
	if (conn->dead)
		return;
	conn_follow(conn);
	if (start_on(conn))
		return;
	conn_flush(conn);
	if (conn->stream.unsent > 0)
		conn_flush_stream(conn);
	if (conn_marked(conn, MARK_UPGRADE)) {
		conn_upgrade(conn);
		if (start_on(conn))
			return;
	}
	if (drain_due(conn)) {
		conn->marks &= ~MARK_DRAIN_OWED;
		conn->marks |= MARK_REPRESENT;
		callback_drain(conn);
		conn_flush(conn);
	}
	if (represent_due(conn)) {
		conn->marks &= ~MARK_REPRESENT;
		conn_represent(conn);
		conn_flush(conn);
	}
	if (conn_marked(conn, MARK_EOF) && conn->in == HALF_OPEN) {
		finish_input(conn);
		conn_flush(conn);
	}
	if (input_stuck(conn)) {
		conn_refuse_input(conn, SL_WHY_INPUT_LIMIT, 0, SL_STAGE_NONE);
		conn_flush(conn);
	}
	conn_finish(conn);
	if (conn_marked(conn, MARK_SALVAGE)) {
		if (conn->in == HALF_OPEN && conn_read(conn)) {
			conn_pend(conn);
			return;
		}
		conn_fail(conn, conn->fault.why, conn->fault.sys_errno,
		    conn->fault.stage);
	}
	if (conn->in != HALF_OPEN)
		input_drop(&conn->input);
	if (conn->in == HALF_CLOSED && conn->out == HALF_CLOSED &&
	    !awaits_delivery(conn)) {
		conn_end(conn);
		return;
	}
	if (drain_due(conn) || represent_due(conn) || conn_read_on_due(conn) ||
	    (conn->queue.bytes > 0 &&
		!conn_marked(conn, MARK_BLOCKED | MARK_PACED_OUT)) ||
	    (conn->stream.unsent > 0 && !conn_marked(conn, MARK_BLOCKED)))
		conn_pend(conn);
	await(conn);
}

/*
 * conn_settle.c: what follows from an event.  Events and calls only move
 * halves, fill the queue and set marks; when no callback runs any more,
 * conn_settle() looks at the connection as it is and does what is due.
 */

#include "worker/conn.h"

#include <errno.h>

#include "config/settings.h"
#include "worker/callback.h"
#include "worker/endpoint.h"
#include "worker/engine.h"
#include "worker/hangup.h"

static void conn_event_cb(evutil_socket_t fd, short what, void *arg);

/* Both halves are closed, but not all that we sent has arrived? */
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

/* Somebody has ended the input who may not be the peer. */
static void
cut_short(struct sl_conn *conn)
{
	struct ending by = conn_broken_by(conn, 0, SL_STAGE_READ);

	conn_decide(conn, by.why, by.sys_errno, by.stage);
	conn_close(conn, by.why);
}

/* End of file, and the plugin has seen all that it is going to see. */
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
	if (conn->stream.fault != NULL)
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
	return conn_marked(conn, MARK_REPRESENT) && conn->in == HALF_OPEN &&
	    !conn_marked(conn, MARK_PAUSED);
}

static bool
input_full(const struct sl_conn *conn)
{
	return input_bytes(conn->input) >= conn->endpoint->limits->read_buffer;
}

/* Full, and nothing that could make the plugin take more of it? */
static bool
input_stuck(const struct sl_conn *conn)
{
	return conn->in == HALF_OPEN && input_full(conn) &&
	    !conn_marked(conn, MARK_DRAIN_OWED | MARK_PAUSED | MARK_REPRESENT);
}

bool
conn_may_read(const struct sl_conn *conn)
{
	if (conn->in == HALF_CLOSED || conn_marked(conn, MARK_EOF))
		return false;
	return conn->in == HALF_DRAIN ||
	    (!conn_marked(conn, MARK_PAUSED) && !input_full(conn));
}

/* The same, and does the kernel have the memory for it? */
static bool
can_read(const struct sl_conn *conn)
{
	return conn_may_read(conn) && !conn_marked(conn, MARK_INPUT_STARVED);
}

static bool
read_on_due(const struct sl_conn *conn)
{
	return conn_marked(conn, MARK_READ_ON) && can_read(conn);
}

/* Where nothing is wanted of it, it may still break. */
static void
watch(struct sl_conn *conn)
{
	if (conn->wants == 0 && !conn->watched)
		conn->watched = hangup_watch(conn) == 0;
}

/* Register for exactly the events that something waits for. */
static void
arm(struct sl_conn *conn)
{
	unsigned int wants = 0;

	if (can_read(conn)) /* or start */
		wants |= conn->stream.recv_needs;
	if (conn_marked(conn, MARK_BLOCKED) && !conn_marked(conn, MARK_STARVED))
		wants |= conn->stream.send_needs;
	if (wants == conn->wants)
		return;
	if (conn->wants != 0)
		event_del(&conn->event);
	conn->wants = wants;
	if (wants == 0)
		return;
	if (event_assign(&conn->event, engine.base, conn->stream.fd,
		wants | EV_PERSIST, conn_event_cb, conn) == -1 ||
	    event_add(&conn->event, NULL) == -1) {
		conn->wants = 0;
		conn_fail(conn, SL_WHY_MEMORY, errno, SL_STAGE_NONE);
		conn_pend(conn);
	}
}

/* For the next event. */
static void
await(struct sl_conn *conn)
{
	arm(conn);
	watch(conn);
	conn_set_timer(conn);
	conn->marks &= ~MARK_DEADLINE;
}

void
conn_settle(struct sl_conn *conn)
{
	if (conn->dead)
		return;
	conn_follow(conn);
	if (conn_marked(conn, MARK_STARTING))
		conn_start(conn);
	if (conn_marked(conn, MARK_STARTING) && !conn->failed) {
		await(conn);
		return;
	}
	conn_flush(conn);
	if (conn->stream.unsent > 0)
		conn_flush_stream(conn);
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
	if (input_stuck(conn))
		conn_close(conn, SL_WHY_INPUT_LIMIT);
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
	if (drain_due(conn) || represent_due(conn) || read_on_due(conn) ||
	    (conn_unsent(conn) > 0 && !conn_marked(conn, MARK_BLOCKED)))
		conn_pend(conn);
	await(conn);
}

/*
 * Is it as an idle connection is, so that conn_settle() would find nothing?
 * This is the end of most events.  The idle timer needs no look: it is set
 * already, and activity only pushes it back.
 */
static bool
quiet(const struct sl_conn *conn)
{
	return conn->in == HALF_OPEN && conn->out == HALF_OPEN &&
	    conn->wants == conn->stream.recv_needs && conn->marks == 0 &&
	    conn_unsent(conn) == 0 && conn->input == NULL;
}

void
conn_take_turn(struct sl_conn *conn)
{
	conn_begin_turn(conn);
	conn_follow(conn);
	if (read_on_due(conn))
		conn_read(conn);
	if (conn->marks == 0)
		conn_flush(conn);
	if (!quiet(conn))
		conn_settle(conn);
}

static void
conn_event_cb(evutil_socket_t fd, short what, void *arg)
{
	struct sl_conn *conn = arg;
	uint8_t ready = what; /* EV_READ, EV_WRITE */

	(void)fd;
	conn_begin_turn(conn);
	conn_follow(conn);
	if (ready & conn->stream.recv_needs)
		conn_read(conn);
	if (quiet(conn))
		return;
	if (ready & conn->stream.send_needs && conn_marked(conn, MARK_BLOCKED))
		conn_retry(conn);
	conn_settle(conn);
}

/*
 * conn_read.c: input, from the socket to the plugin.  All connections read
 * into one buffer of the worker.  Input that a plugin leaves unconsumed is
 * copied to memory of the connection, and what follows is read in behind it.
 *
 * A plugin is shown at most limits.read_buffer at once.  From a connection that
 * is not waiting for anything, more is read at once, and shown in slices.
 */

#include "worker/conn.h"

#include <errno.h>

#include "base/log.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "worker/callback.h"
#include "worker/endpoint.h"
#include "worker/engine.h"

#define READ_BUDGET (256u << 10) /* bytes per pass, then others follow */

static void __attribute__((cold, noinline))
consumed_too_much(struct sl_conn *conn, ssize_t used, size_t len)
{

	conn_log(conn, LOG_LEVEL_ERROR,
	    ": data returned %zd of %zu bytes; closing", used, len);
	conn_fail(conn, SL_WHY_PLUGIN, 0, SL_STAGE_NONE);
}

/*
 * Is `used` what `data` may return for len bytes?  Otherwise the connection
 * ends.
 */
static bool
is_sane(struct sl_conn *conn, ssize_t used, size_t len)
{
	if (used >= 0 && (size_t)used <= len)
		return true;
	if (used < 0)
		conn_close(conn, SL_WHY_PLUGIN);
	else
		consumed_too_much(conn, used, len);
	return false;
}

void
conn_refuse_input(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage)
{
	conn_set_in(conn,
	    conn_marked(conn, MARK_EOF) ? HALF_CLOSED : HALF_DRAIN);
	conn_decide(conn, why, sys_errno, stage);
	conn->told = true;
	callback_error(conn, &conn->fault);
	conn_close(conn, why);
}

/* How much of len bytes of input is shown at once. */
static size_t
slice(const struct sl_conn *conn, size_t len)
{
	size_t most = conn->endpoint->limits->read_buffer;

	return len < most ? len : most;
}

/* May the next slice be shown at once? */
static bool
goes_on(struct sl_conn *conn)
{
	const struct limit_settings *limits = conn->endpoint->limits;

	if (conn->in != HALF_OPEN ||
	    conn_marked(conn, MARK_PAUSED | MARK_DRAIN_OWED | MARK_UPGRADE))
		return false;
	/* What slices write leaves together, unless the queue gets too full. */
	if (conn->queue.bytes + limits->read_buffer > limits->write_buffer)
		conn_flush(conn);
	return conn->in == HALF_OPEN;
}

/*
 * The plugin was shown the first `shown` of these len bytes, and has consumed
 * `used` of them.  Show it the rest, a slice at a time.  Each slice begins with
 * what the plugin has not consumed of the one before.  Returns how much was
 * consumed in all, or -1 when the connection or its input ends.
 */
static ssize_t
show_on(struct sl_conn *conn, const unsigned char *buf, size_t len,
    size_t shown, ssize_t used)
{
	size_t done = 0;

	for (;;) {
		if (!is_sane(conn, used, shown))
			return -1;
		if (done + shown == len || used == 0 || !goes_on(conn))
			break;
		done += used;
		shown = slice(conn, len - done);
		used = callback_data(conn, buf + done, shown);
	}
	/* If the input was closed meanwhile, conn_settle() drops the rest. */
	return conn->in == HALF_OPEN ? (ssize_t)done + used : -1;
}

/* The same for input in the shared buffer.  What is not consumed is kept. */
__attribute__((noinline)) static void
show_rest(struct sl_conn *conn, const unsigned char *buf, size_t len,
    size_t shown, ssize_t used)
{
	used = show_on(conn, buf, len, shown, used);
	if (used != -1 && (size_t)used < len &&
	    input_keep(&conn->input, buf + used, len - used,
		conn->endpoint->limits->read_buffer) == -1)
		conn_refuse_input(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_READ);
}

/* Show more than one slice.  What the plugin writes leaves together. */
__attribute__((noinline)) static void
show_slices(struct sl_conn *conn, const unsigned char *buf, size_t len,
    size_t shown)
{
	conn_lend(buf, len);
	show_rest(conn, buf, len, shown, callback_data(conn, buf, shown));
	conn_end_loan();
}

void
conn_represent(struct sl_conn *conn)
{
	size_t kept = input_bytes(conn->input), shown = slice(conn, kept);
	const unsigned char *buf;
	ssize_t used;

	if (kept == 0)
		return;
	conn->unread = 0; /* outdated: more may be read now */
	buf = conn->input->data + conn->input->start;
	used = show_on(conn, buf, kept, shown, callback_data(conn, buf, shown));
	if (used == -1)
		return;
	input_consume(&conn->input, used, conn->endpoint->limits->read_buffer);
}

/*
 * If all output has arrived and we only wait for the peer to hang up, a reset
 * loses nothing.  Then the input ends, and true is returned.
 */
static bool
is_no_loss(struct sl_conn *conn)
{
	if (conn->in == HALF_OPEN || conn->out != HALF_CLOSED)
		return false;
	conn_ask_waiting(conn);
	if (conn_undelivered(conn) > 0)
		return false;
	if (conn->in != HALF_CLOSED)
		conn_set_in(conn, HALF_CLOSED);
	return true;
}

/* recv() failed, and not with EAGAIN. */
static void
read_failed(struct sl_conn *conn, int error)
{
	struct ending by = conn_broken_by(conn, error, SL_STAGE_READ);

	if (error == ENOMEM || error == ENOBUFS) {
		conn->marks |= MARK_INPUT_STARVED;
		conn_tell_starved(conn, error);
	} else if (!is_no_loss(conn)) {
		conn_fail(conn, by.why, by.sys_errno, by.stage);
	}
}

void
conn_ask_broken(struct sl_conn *conn)
{
	int error = conn->stream.transport->error(&conn->stream);

	if (error != 0 && !is_no_loss(conn))
		conn_broke(conn, error, SL_STAGE_READ);
}

static void
at_eof(struct sl_conn *conn)
{
	conn->marks |= MARK_EOF;
	conn->active_ms = engine_now();
	if (conn->in == HALF_DRAIN)
		conn_set_in(conn, HALF_CLOSED);
	/* Otherwise conn_settle() goes on when the plugin has seen all input. */
}

bool
conn_input_full(const struct sl_conn *conn)
{
	return input_bytes(conn->input) >= conn->endpoint->limits->read_buffer;
}

bool
conn_may_read(const struct sl_conn *conn)
{
	if (conn->in == HALF_CLOSED || conn_marked(conn, MARK_EOF))
		return false;
	return conn->in == HALF_DRAIN ||
	    (!conn_marked(conn, MARK_PAUSED | MARK_UPGRADE | MARK_PACED_IN) &&
		!conn_input_full(conn));
}

bool
conn_can_read(const struct sl_conn *conn)
{
	return conn_may_read(conn) && !conn_marked(conn, MARK_INPUT_STARVED);
}

bool
conn_read_on_due(const struct sl_conn *conn)
{
	return conn_marked(conn, MARK_READ_ON) && conn_can_read(conn);
}

/*
 * Reading ends although the socket may have more.  If the stream has input at
 * hand, of which no event tells, note that.
 */
static void
leave_rest(struct sl_conn *conn)
{
	if (conn->stream.more)
		conn->marks |= MARK_READ_ON;
}

/*
 * May more be read than is shown at once?  Yes if nothing is kept, no output is
 * waiting and no mark is set, as on most connections.
 */
static inline bool
may_read_ahead(const struct sl_conn *conn, size_t kept)
{
	return kept == 0 && conn->marks == 0 && conn_unsent(conn) == 0;
}

/* How much to read if `most` is shown at once: at most a turn's share. */
static size_t
with_ahead(size_t most)
{
	if (most >= READ_BUDGET)
		return most;
	most += input_ahead_left();
	return most < READ_BUDGET ? most : READ_BUDGET;
}

/*
 * Does a rate hold back its input?  What a broken socket has left is read
 * without delay.
 */
static inline bool
reads_paced(const struct sl_conn *conn)
{
	return conn->endpoint->pacer[PACE_IN].on &&
	    !conn_marked(conn, MARK_SALVAGE);
}

/*
 * Where the next input is read to, and how much of it.  NULL: none may be read
 * now, or there is no memory, which ends the connection.
 */
static unsigned char *
room_for(struct sl_conn *conn, size_t *ret_room)
{
	size_t most = conn->endpoint->limits->read_buffer;
	size_t kept = input_bytes(conn->input), room = engine.recv_size;
	unsigned char *buf = engine.recv_buffer;

	if (conn->in != HALF_OPEN) {
		*ret_room = room;
		return buf;
	}
	if (may_read_ahead(conn, kept)) {
		most = with_ahead(most);
	} else if (conn_marked(conn, MARK_PAUSED | MARK_UPGRADE) ||
	    kept >= most) {
		leave_rest(conn);
		return NULL;
	}
	if (most - kept < room)
		room = most - kept;
	if (reads_paced(conn) &&
	    (room = conn_pace_room(conn, PACE_IN, room)) == 0)
		return NULL;
	*ret_room = room;
	if (kept == 0)
		return buf;
	buf = input_room(&conn->input, room, ret_room);
	if (buf == NULL)
		conn_refuse_input(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_READ);
	return buf;
}

/* n bytes were read into buf: show them to the plugin. */
static void
take(struct sl_conn *conn, const unsigned char *buf, size_t n)
{
	size_t shown;
	ssize_t used;

	if (conn->input != NULL) {
		input_add(conn->input, n);
		conn_represent(conn);
	} else {
		shown = slice(conn, n);
		if (shown < n) {
			show_slices(conn, buf, n, shown);
		} else {
			used = callback_data(conn, buf, n);
			if (used != (ssize_t)n)
				show_rest(conn, buf, n, n, used);
		}
	}
	conn_flush(conn);
}

/* n bytes have come in. */
static inline void
note_input(struct sl_conn *conn, ssize_t n)
{
	conn->bytes_in += n;
	count_add(conn->endpoint->counts, COUNT_BYTES_IN, n);
	if (reads_paced(conn) && conn->in == HALF_OPEN)
		conn_pace_add(conn, PACE_IN, n);
	conn->active_ms = engine_now();
}

/* None has: n is 0 at the end of the input, or -1 with errno. */
static void
no_input(struct sl_conn *conn, ssize_t n)
{
	if (n == 0)
		at_eof(conn);
	else if (errno != EAGAIN)
		read_failed(conn, errno);
}

/*
 * Much comes on a piped connection: read it without a copy, as long as that is
 * possible.  As conn_read().
 */
__attribute__((noinline)) static bool
read_spliced(struct sl_conn *conn)
{
	size_t most = READ_BUDGET;
	ssize_t n;

	if (reads_paced(conn) &&
	    (most = conn_pace_room(conn, PACE_IN, most)) == 0)
		return false;
	n = conn_pipe_move(conn, most);
	if (n == -1 && errno == EINTR)
		return conn_read(conn); /* there is no pipe: copy it */
	if (n <= 0) {
		no_input(conn, n);
		return false;
	}
	note_input(conn, n);
	return (size_t)n == most;
}

bool
conn_read(struct sl_conn *conn)
{
	size_t budget = READ_BUDGET, room;
	unsigned char *buf;
	ssize_t n;

	conn->marks &= ~MARK_READ_ON;
	while (conn->in != HALF_CLOSED &&
	    !conn_marked(conn, MARK_EOF | MARK_STARTING)) {
		if (conn->piped && conn_pipe_splices(conn))
			return read_spliced(conn);
		if ((buf = room_for(conn, &room)) == NULL)
			return false;
		n = conn->stream.transport->recv(&conn->stream, buf, room);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			no_input(conn, n);
			return false;
		}
		note_input(conn, n);
		if (conn->in == HALF_OPEN)
			take(conn, buf, n);
		if ((size_t)n < room && !conn->stream.more)
			return false;
		/* A transport that stops short has had work enough. */
		if ((size_t)n < room || (size_t)n >= budget) {
			leave_rest(conn);
			return true;
		}
		budget -= n;
	}
	return false;
}

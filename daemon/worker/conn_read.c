/*
 * conn_read.c: input, from the socket to the plugin.  All connections read
 * into one buffer of the worker; only what a plugin leaves unconsumed is kept
 * with the connection, and what follows is then read in behind it.
 */

#include "worker/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "worker/callback.h"
#include "worker/endpoint.h"
#include "worker/engine.h"

#define READ_BUDGET (256u << 10) /* bytes per pass: others want their turn */
#define INPUT_GROW_MIN 1024	 /* bytes of room to read into at least */

void
conn_drop_input(struct sl_conn *conn)
{
	free(conn->input);
	conn->input = NULL;
}

/* Keep `len` bytes that lie in the shared buffer.  Returns 0 or -1. */
static int
keep(struct sl_conn *conn, const unsigned char *from, size_t len)
{
	struct input *input = malloc(sizeof(*input) + len);

	if (input == NULL)
		return -1;
	input->start = 0;
	input->end = input->size = len;
	memcpy(input->data, from, len);
	conn->input = input;
	return 0;
}

/*
 * Room behind the kept input for more, so that it all lies in one piece.
 * At most `most` bytes.  Returns where to read to, or NULL for lack of memory.
 */
static unsigned char *
room_behind(struct sl_conn *conn, size_t most, size_t *ret_room)
{
	struct input *input = conn->input;
	size_t kept = conn_kept(conn), want = kept;

	if (input->start > 0) {
		memmove(input->data, input->data + input->start, kept);
		input->start = 0;
		input->end = kept;
	}
	if (want < INPUT_GROW_MIN)
		want = INPUT_GROW_MIN; /* else twice as much as there is */
	if (want > most)
		want = most;
	if (input->size - input->end < want) {
		input = realloc(input, sizeof(*input) + kept + want);
		if (input == NULL)
			return NULL;
		input->size = kept + want;
		conn->input = input;
	}
	*ret_room = input->size - input->end;
	if (*ret_room > most)
		*ret_room = most;
	return input->data + input->end;
}

static void __attribute__((cold, noinline))
consumed_too_much(struct sl_conn *conn, ssize_t used, size_t len)
{
	char label[CONN_LABEL_MAX];

	log_errorx("%s: data returned %zd of %zu bytes; closing",
	    conn_label(conn, label), used, len);
	conn_fail(conn, SL_WHY_PLUGIN, 0, SL_STAGE_NONE);
}

/*
 * The plugin was shown `len` bytes and consumed `used`, not simply all of
 * them.  They lie in conn->input (kept) or in the shared buffer, and what it
 * left is kept.
 */
static void __attribute__((noinline)) keep_rest(struct sl_conn *conn,
    const unsigned char *buf, size_t len, ssize_t used, bool kept)
{
	if (used < 0) {
		conn_close(conn, SL_WHY_PLUGIN);
		return;
	}
	if ((size_t)used > len) {
		consumed_too_much(conn, used, len);
		return;
	}
	if (conn->in != HALF_OPEN)
		return; /* closed meanwhile; conn_settle() drops the rest */
	if (kept) {
		conn->input->start += used;
		if (conn_kept(conn) == 0)
			conn_drop_input(conn);
	} else if ((size_t)used < len &&
	    keep(conn, buf + used, len - used) == -1) {
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_READ);
	}
}

void
conn_represent(struct sl_conn *conn)
{
	size_t kept = conn_kept(conn);
	const unsigned char *buf;

	if (kept == 0)
		return;
	conn->unread = 0; /* more may be read now, and more may come */
	buf = conn->input->data + conn->input->start;
	keep_rest(conn, buf, kept, callback_data(conn, buf, kept), true);
}

/*
 * Everything has arrived and we only wait for the peer to hang up: that it does
 * so with a reset is no loss.  Ends the input then.
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

/* recv() said no. */
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
conn_hung_up(struct sl_conn *conn)
{
	int error;

	if (conn->dead)
		return;
	/* Without an error both sides have finished, and that is all. */
	error = conn->stream.transport->error(&conn->stream);
	if (error != 0 && !is_no_loss(conn))
		conn_broke(conn, error, SL_STAGE_READ);
	conn_settle(conn);
}

static void
at_eof(struct sl_conn *conn)
{
	conn->marks |= MARK_EOF;
	conn->active_ms = engine_now();
	if (conn->in == HALF_DRAIN)
		conn_set_in(conn, HALF_CLOSED);
	/* else conn_settle() goes on once the plugin has seen everything */
}

/* The budget, a pause or a full buffer ends it: is there more at hand? */
static void
leave_rest(struct sl_conn *conn)
{
	if (conn->stream.more)
		conn->marks |= MARK_READ_ON;
}

bool
conn_read(struct sl_conn *conn)
{
	const struct limit_settings *limits = conn->endpoint->limits;
	size_t budget = READ_BUDGET;

	conn->marks &= ~MARK_READ_ON;
	while (conn->in != HALF_CLOSED &&
	    !conn_marked(conn, MARK_EOF | MARK_STARTING)) {
		unsigned char *buf = engine.recv_buffer;
		size_t room = engine.recv_size, kept = conn_kept(conn);
		ssize_t n;

		if (conn->in == HALF_OPEN) {
			if (conn_marked(conn, MARK_PAUSED) ||
			    kept >= limits->read_buffer) {
				leave_rest(conn);
				return false;
			}
			if (limits->read_buffer - kept < room)
				room = limits->read_buffer - kept;
			if (kept > 0 &&
			    (buf = room_behind(conn, room, &room)) == NULL) {
				conn_fail(conn, SL_WHY_MEMORY, ENOMEM,
				    SL_STAGE_READ);
				return false;
			}
		}
		n = conn->stream.transport->recv(&conn->stream, buf, room);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				read_failed(conn, errno);
			return false;
		}
		if (n == 0) {
			at_eof(conn);
			return false;
		}
		conn->bytes_in += n;
		count_add(conn->endpoint->counts, COUNT_BYTES_IN, n);
		conn->active_ms = engine_now();
		if (conn->in == HALF_OPEN) {
			if (kept > 0) {
				conn->input->end += n;
				conn_represent(conn);
			} else {
				ssize_t used = callback_data(conn, buf, n);

				if (used != n)
					keep_rest(conn, buf, n, used, false);
			}
			conn_flush(conn);
		}
		if ((size_t)n < room && !conn->stream.more)
			return false;
		if ((size_t)n >= budget) {
			leave_rest(conn);
			return true;
		}
		budget -= n;
	}
	return false;
}

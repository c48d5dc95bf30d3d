/*
 * conn_pipe.c: two connections whose bytes go from one to the other without the
 * plugin.  To the engine a piped connection is like any other: these functions
 * stand in for `data`, `drain` and `end` of its plugin.
 */

#include "worker/conn.h"

#include <errno.h>

#include "base/fail.h"
#include "worker/splice.h"

/*
 * A read that brings so much is followed by others, most likely.  For less, a
 * copy costs no more than the pages that splice() hands over.
 */
#define BULK_MIN (16u << 10)

static unsigned int piped; /* connections */

static struct sl_conn *
other_end(const struct sl_conn *conn)
{
	return conn->extra->pipe;
}

/* The plugin may have left input, or flow control, behind: begin anew. */
static void
begin_flow(struct sl_conn *conn)
{
	conn->marks &= ~(MARK_PAUSED | MARK_DRAIN_OWED);
	conn->marks |= MARK_REPRESENT;
	conn->unread = 0;
}

static void
join(struct sl_conn *conn, struct sl_conn *other)
{
	conn->extra->pipe = other;
	conn->piped = true;
	piped++;
	begin_flow(conn);
}

static void
part(struct sl_conn *conn)
{
	conn->extra->pipe = NULL;
	conn->piped = false;
	if (--piped == 0)
		splice_done();
	begin_flow(conn);
}

/* The input of conn has ended, so the output of the other ends, too. */
static void
carry_end(struct sl_conn *conn)
{
	struct sl_conn *other = other_end(conn);

	if (other->out != HALF_OPEN)
		return;
	conn_set_out(other, HALF_DRAIN);
	other->local_first = !conn_marked(other, MARK_EOF);
	conn_pend(other);
}

int
conn_pipe(struct sl_conn *a, struct sl_conn *b)
{
	if (a->piped || b->piped)
		return fail(EBUSY);
	if (a->out != HALF_OPEN || b->out != HALF_OPEN)
		return fail(EPIPE);
	if (conn_extra(a) == NULL || conn_extra(b) == NULL)
		return fail(ENOMEM);
	join(a, b);
	join(b, a);
	if (a->in != HALF_OPEN)
		carry_end(a);
	if (b->in != HALF_OPEN)
		carry_end(b);
	return 0;
}

void
conn_unpipe(struct sl_conn *conn)
{
	part(other_end(conn));
	part(conn);
}

ssize_t
conn_pipe_data(struct sl_conn *conn, const void *buf, size_t len)
{
	struct sl_conn *other = other_end(conn);
	ssize_t n;

	if (other->out != HALF_OPEN)
		return len; /* nobody is there to read it */
	if (len >= BULK_MIN)
		conn->extra->bulk = true;
	n = conn_write(other, buf, len);
	conn_pend(other);
	if (n == -1 && errno == ENOMEM)
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_WRITE);
	if (n == -1)
		return len;
	/* The rest is kept, and no more is read before the other's `drain`. */
	if ((size_t)n < len)
		conn->marks |= MARK_PAUSED;
	return n;
}

bool
conn_pipe_splices(struct sl_conn *conn)
{
	struct sl_conn *other = other_end(conn);

	if (!conn->extra->bulk || conn->in != HALF_OPEN ||
	    conn->input != NULL || other->out != HALF_OPEN ||
	    conn_marked(conn, MARK_PAUSED | MARK_UPGRADE))
		return false;
	conn_flush(other);
	return other->queue.bytes == 0 &&
	    !conn_marked(other, MARKS_NO_SEND | MARK_UPGRADE) &&
	    splice_can(&conn->stream, &other->stream);
}

ssize_t
conn_pipe_move(struct sl_conn *conn, size_t len)
{
	struct sl_conn *other = other_end(conn);
	int error;
	ssize_t n;

	if (conn_sends_paced(other) &&
	    (len = conn_pace_room(other, PACE_OUT, len)) == 0)
		return fail(EINTR); /* the other's queue takes some */
	n = splice_move(&conn->stream, &other->stream, len, &error);
	if (n < (ssize_t)BULK_MIN)
		conn->extra->bulk = false;
	if (n == -1 && splice_is_refused(errno))
		return fail(EINTR); /* recv() is next */
	if (n <= 0)
		return n;
	conn_spliced(other, n, error);
	if (error != 0) {
		conn->marks |= MARK_PAUSED;
		conn_pend(other);
	}
	return n;
}

void
conn_pipe_drain(struct sl_conn *conn)
{
	struct sl_conn *other = other_end(conn);

	other->marks &= ~MARK_PAUSED;
	other->marks |= MARK_REPRESENT;
	conn_pend(other);
}

void
conn_pipe_end(struct sl_conn *conn)
{
	carry_end(conn);
}

void
conn_pipe_cut(struct sl_conn *conn)
{
	struct sl_conn *other = other_end(conn);

	conn_unpipe(conn);
	conn_close(other, SL_WHY_LOCAL);
	conn_pend(other);
}

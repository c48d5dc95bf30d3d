/*
 * conn_deadline.c: the deadlines of a connection.  It has one timer, set to the
 * earliest deadline.  Activity only stores the time.  When the timer runs out
 * and the deadline has moved meanwhile, the timer is set again.
 */

#include "worker/conn.h"

#include <errno.h>

#include "base/container_of.h"
#include "config/settings.h"
#include "worker/callback.h"
#include "worker/endpoint.h"
#include "worker/engine.h"

/*
 * No event tells that the peer has acknowledged the last output.  So while an
 * end waits for that, we ask: every linger timeout, but not more often than
 * this.
 */
#define ASK_AGAIN_MS 100

/*
 * The length of the window in which limits.min_rate is judged.  A window that
 * ends RATE_LATE_MS too late is not judged: either this worker was held up and
 * offered nothing, or no minimum was set for a while.
 */
#define RATE_WINDOW_MS 10000
#define RATE_LATE_MS 1000

/*
 * A closing connection whose peer takes nothing is given up after this long,
 * even if the operator set no write timeout.
 */
#define CLOSING_STALL_MS 30000

/*
 * A socket holds a few MiB at most, and each read takes up to 256 KiB, so these
 * reads empty it.  A limit is needed so that a peer that sends faster than we
 * read cannot put off a deadline for ever.
 */
#define LOOK_READS_MAX 32

/* The idle timeout; 0: none. */
static uint64_t
idle_ms(const struct sl_conn *conn)
{
	return conn->own_idle ? conn->idle_ms
			      : conn->endpoint->timeouts->idle_ms;
}

void
conn_restart_idle(struct sl_conn *conn)
{
	conn->active_ms = engine_now();
}

/* Does it wait for a rate, or the other end of its pipe? */
static bool
is_paced(const struct sl_conn *conn)
{
	return conn_marked(conn, MARKS_PACED) ||
	    (conn->piped && conn_marked(conn->extra->pipe, MARKS_PACED));
}

/* Is its end held up by a rate, and may that be so? */
static bool
end_is_paced(const struct sl_conn *conn)
{
	uint32_t marks = conn->in == HALF_OPEN ? MARKS_PACED : MARK_PACED_OUT;

	return conn_marked(conn, marks) && !conn->expired;
}

/* When the idle timeout is due; UINT64_MAX: never. */
static uint64_t
idle_deadline(const struct sl_conn *conn)
{
	uint64_t idle = idle_ms(conn);

	if (idle == 0 || idle > UINT64_MAX - conn->active_ms ||
	    conn_closing(conn) || is_paced(conn))
		return UINT64_MAX;
	return conn->active_ms + idle;
}

/* How long output may wait for the peer; 0: for ever. */
static uint64_t
stall_ms(const struct sl_conn *conn)
{
	uint64_t ms = conn->endpoint->timeouts->write_ms;

	return ms == 0 && conn->closing_ms != 0 ? CLOSING_STALL_MS : ms;
}

/* When output will have waited too long. */
static uint64_t
stall_deadline(const struct sl_conn *conn)
{
	if (!conn_marked(conn, MARK_BLOCKED) || stall_ms(conn) == 0)
		return UINT64_MAX;
	return conn->progress_ms + stall_ms(conn);
}

/* Has all output been sent, but not all of it acknowledged? */
static bool
awaits_acknowledgement(const struct sl_conn *conn)
{
	return conn->out == HALF_CLOSED && conn->closing_ms != 0 &&
	    conn_undelivered(conn) > 0;
}

/* When we stop waiting for the peer to take the rest, or to end as well. */
static uint64_t
linger_deadline(const struct sl_conn *conn)
{
	if (conn->out != HALF_CLOSED || conn->closing_ms == 0 ||
	    end_is_paced(conn))
		return UINT64_MAX;
	if (awaits_acknowledgement(conn))
		return conn->progress_ms + stall_ms(conn);
	return conn->progress_ms + conn->endpoint->timeouts->linger_ms;
}

/* When a polite end has taken too long in all. */
static uint64_t
close_deadline(const struct sl_conn *conn)
{
	uint64_t close_ms = conn->endpoint->timeouts->close_ms;

	if (conn->closing_ms == 0 || close_ms == 0 || end_is_paced(conn))
		return UINT64_MAX;
	return conn->closing_ms + close_ms;
}

/* When it will have been open for long enough. */
static uint64_t
lifetime_deadline(const struct sl_conn *conn)
{
	uint64_t most_ms = conn->endpoint->timeouts->max_lifetime_ms;

	if (most_ms == 0 || conn_closing(conn))
		return UINT64_MAX;
	return conn->opened_ms + most_ms;
}

/* When the rate is to be judged. */
static uint64_t
rate_deadline(const struct sl_conn *conn)
{
	if (conn->endpoint->limits->min_rate == 0 ||
	    conn_marked(conn, MARK_PACED_OUT))
		return UINT64_MAX;
	if (conn->extra == NULL || conn->extra->rate_ms == 0)
		return UINT64_MAX; /* no memory to judge it */
	return conn->extra->rate_ms + RATE_WINDOW_MS;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the next timeout is due; UINT64_MAX: none. */
static uint64_t
deadline(const struct sl_conn *conn)
{
	uint64_t at = idle_deadline(conn);

	if (conn_marked(conn, MARK_STARTING))
		return conn_phase_deadline(conn);
	at = earlier(at, stall_deadline(conn));
	at = earlier(at, linger_deadline(conn));
	at = earlier(at, close_deadline(conn));
	at = earlier(at, lifetime_deadline(conn));
	return earlier(at, rate_deadline(conn));
}

/* Does it wait for something that causes no event? */
static bool
must_ask(const struct sl_conn *conn)
{
	return conn_marked(conn, MARK_STARVED | MARK_INPUT_STARVED) ||
	    awaits_acknowledgement(conn);
}

/* When to ask for it. */
static uint64_t
ask_at(const struct sl_conn *conn)
{
	uint64_t linger_ms = conn->endpoint->timeouts->linger_ms;

	if (!must_ask(conn))
		return UINT64_MAX;
	if (conn_marked(conn, MARK_STARVED | MARK_INPUT_STARVED))
		return engine_now() + STARVED_RETRY_MS;
	return engine_now() +
	    (linger_ms > ASK_AGAIN_MS ? linger_ms : ASK_AGAIN_MS);
}

/* Begin a window of limits.min_rate. */
static void
begin_window(struct sl_conn *conn)
{
	struct extra *extra = conn_extra(conn);

	if (extra == NULL)
		return;
	extra->rate_ms = engine_now();
	extra->rate_acked = conn->acked;
	extra->rate_waiting = conn->waiting;
	extra->rate_blocked = conn_marked(conn, MARK_BLOCKED);
}

void
conn_set_timer(struct sl_conn *conn)
{
	uint64_t at;

	if (conn->endpoint->limits->min_rate != 0 &&
	    (conn->extra == NULL || conn->extra->rate_ms == 0))
		begin_window(conn);
	at = earlier(deadline(conn), ask_at(conn));
	if (at == UINT64_MAX)
		timers_cancel(engine.timers, &conn->timer);
	else if (conn->timer.index == 0 || at < conn->timer.at_ms)
		timers_set(engine.timers, &conn->timer, at);
	/* If the deadline is later, the timer is set again when it runs out. */
}

/* Input that may not be read now still counts as traffic if it grows. */
static void
look_at_unread(struct sl_conn *conn)
{
	uint32_t unread;

	if (conn->in != HALF_OPEN || conn_marked(conn, MARK_EOF) ||
	    conn_may_read(conn))
		return;
	unread = conn->stream.transport->unread(&conn->stream);
	if (unread > conn->unread)
		conn->active_ms = engine_now();
	conn->unread = unread;
}

bool
conn_last_look(struct sl_conn *conn)
{
	bool had_eof = conn_marked(conn, MARK_EOF);
	uint64_t before;

	conn->marks &= ~MARK_INPUT_STARVED;
	if (conn_marked(conn, MARK_STARTING))
		return false; /* conn_start() looks by itself */
	for (int i = 0; i < LOOK_READS_MAX; i++) {
		before = conn->bytes_in;
		conn_read(conn);
		if (conn->bytes_in == before)
			break; /* nothing left that may be read */
	}
	look_at_unread(conn);
	conn_ask_progress(conn);
	if (conn_marked(conn, MARK_STARVED) && conn->extra != NULL)
		begin_window(conn); /* our kernel is the slow one */
	if (conn_marked(conn, MARK_BLOCKED))
		conn_retry(conn);
	return conn_marked(conn, MARK_EOF) == had_eof;
}

/*
 * The window of limits.min_rate is over: did the peer take too little in it?
 * Only if some output that was on its way when the window began is still on its
 * way, or if the connection was blocked at both ends of the window.  That
 * output is on its way says nothing by itself: this is always so when little is
 * sent often, or when the round trip is long.  What waits in a unix socket says
 * nothing either: the kernel counts its own memory for it, which is far more
 * than a few bytes sent.
 */
static bool
too_slow(struct sl_conn *conn)
{
	uint64_t elapsed_ms = engine_now() - conn->extra->rate_ms;
	int64_t got = conn->acked - conn->extra->rate_acked,
		least = conn->endpoint->limits->min_rate * elapsed_ms / 1000;
	bool waits = got < conn->extra->rate_waiting && !conn->stream.is_unix,
	     full =
		 conn->extra->rate_blocked && conn_marked(conn, MARK_BLOCKED),
	     late = elapsed_ms >= RATE_WINDOW_MS + RATE_LATE_MS;

	begin_window(conn);
	return (waits || full) && got < least && !late;
}

/* The peer takes the output too slowly, or not at all. */
static void
stalled(struct sl_conn *conn)
{
	if (conn->closing_ms != 0)
		conn_give_up(conn);
	else
		conn_fail(conn, SL_WHY_WRITE_STALL, ETIMEDOUT, SL_STAGE_WRITE);
}

/* Act on the deadlines that are still due after the last look. */
static void
expire(struct sl_conn *conn)
{
	uint64_t now = engine_now();

	if (linger_deadline(conn) <= now || close_deadline(conn) <= now) {
		conn_give_up(conn);
	} else if (stall_deadline(conn) <= now ||
	    (rate_deadline(conn) <= now && too_slow(conn))) {
		stalled(conn);
	} else if (lifetime_deadline(conn) <= now) {
		conn_close(conn, SL_WHY_LIFETIME);
	} else if (idle_deadline(conn) <= now) {
		conn->active_ms = now; /* the idle time starts again */
		if (!callback_timeout(conn))
			conn_close(conn, SL_WHY_IDLE);
	}
}

void
conn_judge_time(struct sl_conn *conn)
{
	if ((deadline(conn) <= engine_now() || must_ask(conn)) &&
	    conn_last_look(conn))
		expire(conn);
}

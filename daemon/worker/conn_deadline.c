/*
 * conn_deadline.c: what time ends.  A connection has one timer, set to the
 * earliest of what may be due; activity only stores the time, and a timer that
 * finds its deadline moved sets itself again.
 */

#include <errno.h>
#include <stddef.h>

#include "callback.h"
#include "conn.h"
#include "engine.h"
#include "listener.h"
#include "service.h"

/*
 * A closing connection whose peer takes nothing is given up after this long
 * even where the operator set no write timeout.
 */
#define CLOSING_STALL_MS 30000

static const struct listener_settings *
settings_of(const struct sl_conn *conn)
{
	return conn->service->listener->settings;
}

/* 0: none. */
static uint64_t
idle_ms(const struct sl_conn *conn)
{
	return conn->own_idle ? conn->idle_ms :
				settings_of(conn)->timeouts.idle_ms;
}

void
conn_restart_idle(struct sl_conn *conn)
{
	conn->active_ms = engine_now();
}

/* When the idle timeout is due; UINT64_MAX: never. */
static uint64_t
idle_deadline(const struct sl_conn *conn)
{
	uint64_t idle = idle_ms(conn);

	if (idle == 0 || idle > UINT64_MAX - conn->active_ms ||
	    conn_closing(conn))
		return UINT64_MAX;
	return conn->active_ms + idle;
}

/* When the next timeout is due; UINT64_MAX: none. */
static uint64_t
deadline(const struct sl_conn *conn)
{
	const struct timeout_settings *timeouts = &settings_of(conn)->timeouts;
	bool closing = conn_closing(conn);
	uint64_t at = UINT64_MAX, stall_ms = timeouts->write_ms;

	if (conn->out == HALF_CLOSED && conn->lingers)
		at = conn->progress_ms + timeouts->linger_ms;
	if (closing && stall_ms == 0)
		stall_ms = CLOSING_STALL_MS;
	if (conn->blocked && stall_ms != 0 &&
	    conn->progress_ms + stall_ms < at)
		at = conn->progress_ms + stall_ms;
	if (idle_deadline(conn) < at)
		at = idle_deadline(conn);
	return at;
}

void
conn_set_timer(struct sl_conn *conn)
{
	uint64_t at = deadline(conn);

	if (at == UINT64_MAX)
		timers_cancel(engine.timers, &conn->timer);
	else if (conn->timer.index == 0 || at < conn->timer.at_ms)
		timers_set(engine.timers, &conn->timer, at);
	/* A later deadline waits for the timer: see conn_on_timer(). */
}

/* Idle, stalled or lingered long enough; or the deadline has moved. */
void
conn_on_timer(struct timer *timer)
{
	struct sl_conn *conn =
	    (struct sl_conn *)((char *)timer - offsetof(struct sl_conn, timer));
	const struct timeout_settings *timeouts;
	uint64_t now = engine_now();

	conn_follow(conn);
	timeouts = &settings_of(conn)->timeouts;
	if (deadline(conn) > now) {
		conn_set_timer(conn);
		return;
	}
	if (conn->out == HALF_CLOSED && conn->lingers &&
	    conn->progress_ms + timeouts->linger_ms <= now) {
		if (conn->in != HALF_CLOSED)
			conn_set_in(conn, HALF_CLOSED);
	} else if (idle_deadline(conn) > now) {
		conn_fail(conn, SL_WHY_WRITE_STALL, ETIMEDOUT, SL_STAGE_WRITE);
	} else {
		/* What came in just now, in this very pass, still counts. */
		if (conn->in == HALF_OPEN && !conn->paused)
			conn_read(conn);
		if (idle_deadline(conn) <= now) {
			conn->active_ms = now; /* the timer starts anew */
			if (!callback_timeout(conn))
				conn_close(conn, SL_WHY_IDLE);
		}
	}
	conn_settle(conn);
}

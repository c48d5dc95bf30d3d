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

/*
 * What lies in a socket is a few MiB at most, and each read takes up to 256
 * KiB; whoever sends faster than that does not hold a deadline up for ever.
 */
#define LOOK_READS_MAX 32

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

/* When the wait for the peer's end is over. */
static uint64_t
linger_deadline(const struct sl_conn *conn)
{
	if (conn->out != HALF_CLOSED || !conn->lingers)
		return UINT64_MAX;
	return conn->progress_ms + settings_of(conn)->timeouts.linger_ms;
}

/* When output has waited for too long. */
static uint64_t
stall_deadline(const struct sl_conn *conn)
{
	uint64_t stall_ms = settings_of(conn)->timeouts.write_ms;

	if (stall_ms == 0 && conn_closing(conn))
		stall_ms = CLOSING_STALL_MS;
	if (!conn->blocked || stall_ms == 0)
		return UINT64_MAX;
	return conn->progress_ms + stall_ms;
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
	return earlier(idle_deadline(conn),
	    earlier(linger_deadline(conn), stall_deadline(conn)));
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

/*
 * Nothing ends before this look.  Timers run before sockets that became ready
 * in the same pass, and after a callback that took long: what the peer sent in
 * time may still lie in the socket, and the kernel may have room again.
 * Returns false when that changes everything: the peer's end was there, which
 * conn_settle() has yet to tell.
 */
static bool
last_look(struct sl_conn *conn)
{
	bool had_eof = conn->eof;
	uint64_t before;

	for (int i = 0; i < LOOK_READS_MAX; i++) {
		before = conn->bytes_in;
		conn_read(conn);
		if (conn->bytes_in == before)
			break; /* to the end, or as far as it may be read */
	}
	if (conn->blocked)
		conn_retry(conn);
	return conn->eof == had_eof;
}

/* End what is still due. */
static void
expire(struct sl_conn *conn)
{
	uint64_t now = engine_now();

	if (linger_deadline(conn) <= now) {
		if (conn->in != HALF_CLOSED)
			conn_set_in(conn, HALF_CLOSED);
	} else if (stall_deadline(conn) <= now) {
		conn_fail(conn, SL_WHY_WRITE_STALL, ETIMEDOUT, SL_STAGE_WRITE);
	} else if (idle_deadline(conn) <= now) {
		conn->active_ms = now; /* the timer starts anew */
		if (!callback_timeout(conn))
			conn_close(conn, SL_WHY_IDLE);
	}
}

/* Something may be due, or its deadline has moved. */
void
conn_on_timer(struct timer *timer)
{
	struct sl_conn *conn =
	    (struct sl_conn *)((char *)timer - offsetof(struct sl_conn, timer));

	conn_follow(conn);
	if (deadline(conn) <= engine_now() && last_look(conn))
		expire(conn);
	conn_settle(conn);
}

void
conn_expire(struct sl_conn *conn, enum sl_why why)
{
	last_look(conn);
	conn_settle(conn);
	conn_close(conn, why);
	conn_settle(conn);
}

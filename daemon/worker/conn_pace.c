/*
 * conn_pace.c: the rates of a connection: its own, and what its listener's
 * leaves it.  Whoever would read or send asks how much may move.  If nothing
 * may, the connection waits: for a timer of its own, or in the line of its
 * listener, see pacer.c.  While it waits on our account, no deadline is held
 * against the peer, see conn_deadline.c.
 */

#include "worker/conn.h"

#include <stdlib.h>

#include "base/container_of.h"
#include "ipc/counts.h"
#include "worker/endpoint.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker/service.h"

/* A reload may have changed the rate. */
#define LOOK_AGAIN_MS 1000

struct half_pace {
	struct sl_conn *conn;
	struct bucket bucket;
	struct timer timer;	 /* while it waits for its own rate */
	struct pace_place place; /* while it waits for its listener's */
	uint64_t since_ms;	 /* it has waited */
};

struct conn_pace {
	struct half_pace half[PACES];
};

static const uint32_t marks[PACES] = {
	[PACE_IN] = MARK_PACED_IN,
	[PACE_OUT] = MARK_PACED_OUT,
};

static enum pace
direction_of(const struct half_pace *half)
{
	return half == &half->conn->extra->pace->half[PACE_OUT] ? PACE_OUT
								: PACE_IN;
}

/*
 * The wait was ours: it counts neither as slow nor as idle nor as a long end,
 * unless its time was over before.
 */
static void
excuse(struct half_pace *half)
{
	struct sl_conn *conn = half->conn;
	uint64_t now = engine_now(), since = half->since_ms;

	conn->active_ms = now;
	conn->extra->rate_ms = 0; /* limits.min_rate: a new window begins */
	if (conn->closing_ms == 0 || conn->expired)
		return;
	if (conn->closing_ms > since)
		since = conn->closing_ms;
	conn->closing_ms += now - since;
	if (conn->out == HALF_CLOSED)
		conn->progress_ms += now - since; /* of linger */
}

/* The other end of a pipe was held up as well. */
static void
excuse_other(const struct sl_conn *conn)
{
	if (!conn->piped)
		return;
	conn->extra->pipe->active_ms = engine_now();
	conn_pend(conn->extra->pipe);
}

/* It may go on. */
static void
end_wait(struct half_pace *half)
{
	enum pace direction = direction_of(half);

	half->conn->marks &= ~marks[direction];
	if (direction == PACE_IN)
		half->conn->marks |= MARK_READ_ON;
	excuse(half);
	excuse_other(half->conn);
	conn_pend(half->conn);
}

static void
on_timer(struct timer *timer)
{
	end_wait(container_of(timer, struct half_pace, timer));
}

static void
on_turn(struct pace_place *place)
{
	end_wait(container_of(place, struct half_pace, place));
}

static void
begin_wait(struct half_pace *half, bool listener)
{
	struct sl_conn *conn = half->conn;
	enum pace direction = direction_of(half);

	conn->marks |= marks[direction];
	half->since_ms = engine_now();
	count_add(conn->endpoint->counts, count_pace(direction, listener), 1);
}

/* Does it have the rates of its endpoint?  Not if a listener's plugin made it. */
static bool
has_rates(const struct sl_conn *conn)
{
	return !conn->is_client || conn->service->listener->connector != NULL;
}

static int
attach(struct sl_conn *conn, struct half_pace *half)
{
	half->conn = conn;
	half->place.on_turn = on_turn;
	return timers_attach(engine.timers, &half->timer, on_timer);
}

/* NULL: it has no rate, or there is no memory for it; then it has none. */
static struct half_pace *
half_of(struct sl_conn *conn, enum pace direction)
{
	struct extra *extra = conn->extra;
	struct conn_pace *pace;

	if (extra != NULL && extra->pace != NULL)
		return &extra->pace->half[direction];
	if (!has_rates(conn) || (extra = conn_extra(conn)) == NULL ||
	    (pace = calloc(1, sizeof(*pace))) == NULL)
		return NULL;
	if (attach(conn, &pace->half[PACE_IN]) == -1 ||
	    attach(conn, &pace->half[PACE_OUT]) == -1) {
		timers_detach(engine.timers, &pace->half[PACE_IN].timer);
		free(pace);
		return NULL;
	}
	extra->pace = pace;
	return &pace->half[direction];
}

/* How many bytes does its own rate let through?  0: it waits for its timer. */
static size_t
own_room(struct half_pace *half, uint64_t rate, size_t most)
{
	uint64_t now = engine_now(), room, wait_ms;

	bucket_leak(&half->bucket, rate, now);
	room = bucket_room(&half->bucket, rate);
	if (room > 0)
		return most < room ? most : room;
	wait_ms = bucket_wait_ms(&half->bucket, rate);
	timers_set(engine.timers, &half->timer,
	    now + (wait_ms < LOOK_AGAIN_MS ? wait_ms : LOOK_AGAIN_MS));
	begin_wait(half, false);
	return 0;
}

size_t
conn_pace_room(struct sl_conn *conn, enum pace direction, size_t most)
{
	uint64_t rate = conn->endpoint->limits->rate[direction];
	struct pacer *pacer = &conn->endpoint->pacer[direction];
	struct half_pace *half = half_of(conn, direction);

	if (half == NULL || most == 0)
		return most;
	if (conn_marked(conn, marks[direction]))
		return 0;
	if (rate != 0 && (most = own_room(half, rate, most)) == 0)
		return 0;
	most = pacer_room(pacer, &half->place, most);
	if (most == 0)
		begin_wait(half, true);
	return most;
}

void
conn_pace_add(struct sl_conn *conn, enum pace direction, size_t bytes)
{
	uint64_t rate = conn->endpoint->limits->rate[direction];
	struct half_pace *half = half_of(conn, direction);

	if (half == NULL)
		return;
	if (rate != 0)
		bucket_add(&half->bucket, rate, bytes);
	pacer_add(&conn->endpoint->pacer[direction], &half->place, bytes);
}

void
conn_pace_end(struct sl_conn *conn)
{
	struct half_pace *half;

	if (conn->extra == NULL || conn->extra->pace == NULL)
		return;
	for (enum pace i = 0; i < PACES; i++) {
		half = &conn->extra->pace->half[i];
		timers_detach(engine.timers, &half->timer);
		pacer_leave(&conn->endpoint->pacer[i], &half->place);
	}
}

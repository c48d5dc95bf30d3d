/*
 * conn_turn.c: the occasions on which a connection gets a turn: an event, a
 * timer, a broken socket, or conn_pend() in this pass.  Each turn ends with
 * conn_settle().  Connections are also created here.
 */

#include "worker/conn.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container_of.h"
#include "ipc/shm.h"
#include "worker/engine.h"
#include "worker/hangup.h"

/*
 * Is the connection idle, so that conn_settle() would find nothing to do?  Most
 * events end here.  The idle timer need not be looked at: it is already set,
 * and activity only moves its deadline later.
 */
static bool
quiet(const struct sl_conn *conn)
{
	return conn->in == HALF_OPEN && conn->out == HALF_OPEN &&
	    conn->wants == conn->stream.recv_needs && conn->marks == 0 &&
	    conn_unsent(conn) == 0 && conn->input == NULL;
}

/* A turn that was asked for by conn_pend() and not by an event. */
static void
take_turn(struct sl_conn *conn)
{
	conn_begin_turn(conn);
	conn_follow(conn);
	if (conn_read_on_due(conn))
		conn_read(conn);
	if (conn->marks == 0)
		conn_flush(conn);
	if (!quiet(conn))
		conn_settle(conn);
}

static void
event_cb(evutil_socket_t fd, short what, void *arg)
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

/* A deadline may be due, or may have moved. */
static void
on_timer(struct timer *timer)
{
	struct sl_conn *conn = container_of(timer, struct sl_conn, timer);

	conn_follow(conn);
	conn_judge_time(conn);
	conn_settle(conn);
}

/* The socket has broken, or both sides have finished; see hangup.h. */
static void
on_broken(void *arg)
{
	struct sl_conn *conn = arg;

	if (conn->dead)
		return;
	conn_ask_broken(conn);
	conn_settle(conn);
}

void
conn_expire(struct sl_conn *conn, enum sl_why why)
{
	conn_last_look(conn);
	conn_settle(conn);
	conn->expired = true;
	conn_close(conn, why);
	conn_settle(conn);
}

struct sl_conn *
conn_new(struct endpoint *endpoint, struct sl_service *service,
    struct stream stream, struct seat seat)
{
	struct sl_conn *conn = calloc(1, sizeof(*conn));
	uint64_t id = shm_next_id(engine.shm);

	if (conn == NULL || id == 0 ||
	    timers_attach(engine.timers, &conn->timer, on_timer) == -1) {
		admission_out_of(endpoint,
		    id == 0 ? "connection ids" : "memory");
		free(conn);
		stream.transport->close(&stream, false);
		seat_release(&seat);
		return NULL;
	}
	conn->stream = stream;
	conn->is_client = stream.outgoing;
	conn->marks = MARK_STARTING;
	conn->endpoint = endpoint;
	conn->service = service;
	conn->id.id = id;
	conn->seat = seat;
	conn->peer.sa.sa_family = AF_UNIX;
	conn->opened_ms = conn->active_ms = engine_now();
	event_assign(&conn->event, engine.base, stream.fd, 0, event_cb, conn);
	if (conn_enlist(conn) == -1)
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_NONE);
	return conn;
}

static void
settle_or_bury(struct sl_conn *conn)
{
	if (conn->dead)
		STAILQ_INSERT_TAIL(&conns_dead, conn, next);
	else
		take_turn(conn);
}

void
conn_after_pass(void)
{
	struct conn_queue due = STAILQ_HEAD_INITIALIZER(due);
	struct sl_conn *conn;

	/* What settling makes pending again waits for the next pass. */
	STAILQ_CONCAT(&due, &conns_pending);
	while ((conn = STAILQ_FIRST(&due)) != NULL) {
		STAILQ_REMOVE_HEAD(&due, next);
		conn_prefetch(STAILQ_FIRST(&due));
		conn->pending = false;
		settle_or_bury(conn);
	}
	conn_start_queued(settle_or_bury);
	while ((conn = STAILQ_FIRST(&conns_dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&conns_dead, next);
		conn_free(conn);
	}
}

bool
conn_work_left(void)
{
	return !STAILQ_EMPTY(&conns_pending) || !STAILQ_EMPTY(&conns_dead) ||
	    conn_start_is_queued();
}

int
conn_init(void)
{
	return hangup_init(on_broken);
}

void
conn_done(void)
{
	hangup_done();
	conn_ids_done();
}

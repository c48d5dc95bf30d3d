/*
 * conn.c: the foundation of the other conn files: the list of connections, the
 * two halves of a connection, and the reason for which it ends.
 */

#include "worker/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"
#include "base/log.h"
#include "base/why.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "worker/callback.h"
#include "worker/engine.h"
#include "worker/hangup.h"
#include "worker/listener.h"
#include "worker/service.h"
#include "worker/survey.h"

struct conn_queue conns_pending = STAILQ_HEAD_INITIALIZER(conns_pending);
struct conn_queue conns_dead = STAILQ_HEAD_INITIALIZER(conns_dead);
static struct ids ids;
static unsigned int holding;

int
conn_enlist(struct sl_conn *conn)
{
	struct listener *listener = conn->service->listener;

	TAILQ_INSERT_TAIL(&listener->conns, conn, link);
	listener->conn_count++;
	service_ref(conn->service);
	service_count_conn(conn->service, 1);
	count_add(conn->endpoint->counts,
	    conn->is_client ? COUNT_OUTGOING : COUNT_ACCEPTED, 1);
	holding++;
	return ids_add(&ids, &conn->id);
}

void
conn_delist(struct sl_conn *conn)
{
	struct listener *listener = conn->service->listener;

	ids_remove(&ids, &conn->id);
	if (listener->sweep == conn)
		listener->sweep = TAILQ_NEXT(conn, link);
	survey_skip_conn(conn);
	TAILQ_REMOVE(&listener->conns, conn, link);
	service_count_conn(conn->service, -1);
}

void
conn_ids_done(void)
{
	ids_done(&ids);
}

struct sl_conn *
conn_find(uint64_t id)
{
	struct id_entry *entry = ids_find(&ids, id);
	struct sl_conn *conn;

	if (entry == NULL)
		return NULL;
	conn = container_of(entry, struct sl_conn, id);
	return conn->dead ? NULL : conn;
}

unsigned int
conn_count(void)
{
	return ids.count;
}

unsigned int
conn_holding(void)
{
	return holding;
}

void
conn_set_hold(struct sl_conn *conn, bool hold)
{
	if (conn->dead || conn->no_hold == !hold)
		return;
	conn->no_hold = !hold;
	holding += hold ? 1 : -1;
	/* A draining worker may have waited only for this connection. */
	engine.after_pass_due = true;
}

static const char *
half_name(enum half half)
{
	static const char *const names[] = { "open", "drain", "closed" };

	return names[half];
}

static void
trace(const struct sl_conn *conn, const char *which, enum half from,
    enum half to)
{

	if (log_enabled(LOG_LEVEL_DEBUG))
		conn_log(conn, LOG_LEVEL_DEBUG, " %s: %s -> %s", which,
		    half_name(from), half_name(to));
}

void
conn_set_in(struct sl_conn *conn, enum half to)
{
	assert(to > conn->in);
	trace(conn, "in", conn->in, to);
	conn->in = to;
}

void
conn_set_out(struct sl_conn *conn, enum half to)
{
	assert(to > conn->out);
	trace(conn, "out", conn->out, to);
	conn->out = to;
	/* There will be no `drain`, so kept input must not wait for it. */
	if (conn_marked(conn, MARK_DRAIN_OWED)) {
		conn->marks &= ~MARK_DRAIN_OWED;
		conn->marks |= MARK_REPRESENT;
	}
}

static void
note(struct ending *ending, enum sl_why why, int sys_errno, enum sl_stage stage)
{
	if (ending->why != SL_WHY_NONE)
		return;
	ending->why = why;
	ending->sys_errno = sys_errno;
	ending->stage = stage;
}

void
conn_decide(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage)
{
	if (why_is_error(why))
		note(&conn->fault, why, sys_errno, stage);
	note(&conn->ending, why, sys_errno, stage);
}

struct ending
conn_broken_by(const struct sl_conn *conn, int sys_errno, enum sl_stage stage)
{
	const struct stream_fault *fault = stream_fault(&conn->stream);

	if (fault != NULL)
		return (struct ending){ fault->why, fault->stage,
			fault->sys_errno };
	return (struct ending){ SL_WHY_RESET, stage, sys_errno };
}

void
conn_close(struct sl_conn *conn, enum sl_why why)
{
	if (conn->dead)
		return;
	if (why == SL_WHY_LOCAL && conn_marked(conn, MARK_EOF) &&
	    !conn->local_first)
		why = SL_WHY_PEER; /* the peer finished first */
	conn_decide(conn, why, 0, SL_STAGE_NONE);
	conn_begin_closing(conn);
	/* A callback may be using the input, so conn_settle() drops it. */
	if (conn->in == HALF_OPEN)
		conn_set_in(conn,
		    conn_marked(conn, MARK_EOF) ? HALF_CLOSED : HALF_DRAIN);
	if (conn->out == HALF_OPEN)
		conn_set_out(conn, HALF_DRAIN);
}

void
conn_begin_closing(struct sl_conn *conn)
{
	if (conn->closing_ms != 0)
		return;
	conn->closing_ms = engine_now();
	if (conn->out == HALF_CLOSED)
		conn->progress_ms = engine_now(); /* linger counts from now */
}

/* The reason when no end was decided and both sides simply finished. */
static enum sl_why
who_finished_first(const struct sl_conn *conn)
{
	return conn->local_first ? SL_WHY_LOCAL : SL_WHY_PEER;
}

void
conn_give_up(struct sl_conn *conn)
{
	if (conn->out == HALF_CLOSED && conn_undelivered(conn) == 0) {
		if (conn->in != HALF_CLOSED)
			conn_set_in(conn, HALF_CLOSED);
		return;
	}
	conn_decide(conn, who_finished_first(conn), 0, SL_STAGE_NONE);
	conn_fail(conn, SL_WHY_UNDELIVERED, ETIMEDOUT, SL_STAGE_WRITE);
}

void
conn_fail(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage)
{
	if (conn->dead)
		return;
	conn_decide(conn, why, sys_errno, stage);
	conn->failed = true;
	conn_drop_output(conn);
	if (conn->in != HALF_CLOSED)
		conn_set_in(conn, HALF_CLOSED);
	if (conn->out != HALF_CLOSED)
		conn_set_out(conn, HALF_CLOSED);
}

uint32_t
conn_judge_end(struct sl_conn *conn)
{
	uint32_t first;

	if (conn->failed)
		conn_ask_waiting(conn);
	if (conn->ending.why == SL_WHY_NONE)
		conn->ending.why = who_finished_first(conn);
	first = conn->ending.why;
	if (conn_undelivered(conn) > 0 && !conn->reset &&
	    conn->phase == PHASE_OPEN && !why_is_error(first)) {
		note(&conn->fault, SL_WHY_UNDELIVERED, 0, SL_STAGE_WRITE);
		conn->ending = conn->fault;
		conn->ending.why = SL_WHY_UNDELIVERED;
	}
	return first;
}

void
conn_pend(struct sl_conn *conn)
{
	if (conn->pending || conn->dead)
		return;
	conn->pending = true;
	STAILQ_INSERT_TAIL(&conns_pending, conn, next);
	engine.after_pass_due = true;
}

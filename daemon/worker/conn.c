/*
 * conn.c: the life of one connection, from accepted to freed, and its two
 * halves.  What happens in between is in conn_settle.c, reading in conn_read.c
 * and writing in conn_write.c.
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

STAILQ_HEAD(conn_queue, sl_conn);
static struct conn_queue pending = STAILQ_HEAD_INITIALIZER(pending);
static struct conn_queue dead = STAILQ_HEAD_INITIALIZER(dead);
static struct ids ids;
static unsigned int holding;

static void conn_free(struct sl_conn *conn);

struct sl_conn *
conn_new(struct endpoint *endpoint, struct sl_service *service,
    struct stream stream, struct seat seat)
{
	struct listener *listener = service->listener;
	struct sl_conn *conn = calloc(1, sizeof(*conn));
	uint64_t id = shm_next_id(engine.shm);

	if (conn == NULL || id == 0 ||
	    timers_attach(engine.timers, &conn->timer, conn_on_timer) == -1) {
		admission_out_of(endpoint,
		    id == 0 ? "connection ids" : "memory");
		free(conn);
		stream.transport->close(&stream, false);
		seat_release(&seat);
		return NULL;
	}
	conn->stream = stream;
	conn->marks = MARK_STARTING;
	conn->endpoint = endpoint;
	conn->service = service;
	service_ref(service);
	service_count_conn(service, 1);
	count_add(endpoint->counts, COUNT_ACCEPTED, 1);
	conn->id.id = id;
	conn->seat = seat;
	conn->peer.sa.sa_family = AF_UNIX;
	conn->opened_ms = conn->active_ms = conn->rate_ms = engine_now();
	TAILQ_INSERT_TAIL(&listener->conns, conn, link);
	listener->conn_count++;
	holding++;
	if (ids_add(&ids, &conn->id) == -1)
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_NONE);
	return conn;
}

void
conn_set_peer(struct sl_conn *conn, const struct sockaddr *peer, socklen_t len)
{
	conn_names_free(conn);
	/* A unix socket with a name is longer, and shown without it. */
	memset(&conn->peer, 0, sizeof(conn->peer));
	conn->peer.sa.sa_family = AF_UNIX;
	if (len > 0 && len <= sizeof(conn->peer))
		memcpy(&conn->peer, peer, len);
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
	/* A worker that drains may have waited for this one alone. */
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
	char label[CONN_LABEL_MAX];

	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("%s %s: %s -> %s", conn_label(conn, label), which,
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
	/* No drain comes any more: input must not go on waiting for it. */
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
	const struct stream_fault *fault = conn->stream.fault;

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
		why = SL_WHY_PEER; /* it finished, and so do we */
	conn_decide(conn, why, 0, SL_STAGE_NONE);
	conn_begin_closing(conn);
	/* The input may be in a callback's hands: conn_settle() drops it. */
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
		conn->progress_ms = engine_now(); /* it lingers from now on */
}

/* Nobody decided to end it: both sides simply finished. */
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

void
conn_pend(struct sl_conn *conn)
{
	if (conn->pending || conn->dead)
		return;
	conn->pending = true;
	STAILQ_INSERT_TAIL(&pending, conn, next);
	engine.after_pass_due = true;
}

bool
conn_work_left(void)
{
	return !STAILQ_EMPTY(&pending) || !STAILQ_EMPTY(&dead);
}

void
conn_after_pass(void)
{
	struct conn_queue todo = STAILQ_HEAD_INITIALIZER(todo);
	struct sl_conn *conn;

	/* What settling makes pending again waits for the next pass. */
	STAILQ_CONCAT(&todo, &pending);
	while ((conn = STAILQ_FIRST(&todo)) != NULL) {
		STAILQ_REMOVE_HEAD(&todo, next);
		conn->pending = false;
		if (conn->dead) {
			STAILQ_INSERT_TAIL(&dead, conn, next);
			continue;
		}
		conn_take_turn(conn);
	}
	while ((conn = STAILQ_FIRST(&dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&dead, next);
		conn_free(conn);
	}
}

void
conn_done(void)
{
	hangup_done();
	ids_done(&ids);
}

/* `after` is why it was being closed when output was left behind. */
static void
log_access(const struct sl_conn *conn, uint32_t after)
{
	char label[CONN_LABEL_MAX + 8];
	struct log_field fields[7] = {
		{ "why", why_word(conn->ending.why), 0 },
		{ "in", NULL, conn->bytes_in },
		{ "out", NULL, conn->bytes_out },
		{ "ms", NULL, engine_now() - conn->opened_ms },
		{ "gen", NULL, conn->service->generation },
	};
	int n = 5;

	if (conn_undelivered(conn) > 0)
		fields[n++] = (struct log_field){ "undelivered", NULL,
			conn_undelivered(conn) };
	if (after != conn->ending.why)
		fields[n++] = (struct log_field){ "after", why_word(after), 0 };
	conn_label(conn, label);
	strcat(label, " closed");
	log_fields(LOG_LEVEL_INFO, label, fields, n);
}

static void
count_end(const struct sl_conn *conn)
{
	count_add(conn->endpoint->counts, COUNT_CLOSED + conn->ending.why, 1);
	if (conn->fault.why != SL_WHY_NONE || conn->ending.why == SL_WHY_PLUGIN)
		count_add(conn->endpoint->counts, COUNT_FAILED, 1);
}

/*
 * A polite end promises that the output arrives.  One that leaves some behind
 * is the one case in which the first reason does not stand.  Returns the first.
 */
static uint32_t
judge_end(struct sl_conn *conn)
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
conn_end(struct sl_conn *conn)
{
	struct listener *listener = conn->service->listener;
	uint32_t first = judge_end(conn);

	if (conn->wants != 0)
		event_del(&conn->event);
	conn->wants = 0;
	if (conn->watched)
		hangup_forget(conn);
	timers_detach(engine.timers, &conn->timer);
	plugin_timers_clear(&conn->timers);
	conn_set_hold(conn, false);
	conn->dead = true;
	if (conn->opened) {
		if (conn->fault.why != SL_WHY_NONE)
			callback_error(conn, &conn->fault);
		callback_close(conn, &conn->ending);
	} else {
		conn_tell_failure(conn);
	}
	count_end(conn);
	if (engine.log_access)
		log_access(conn, first);
	conn->stream.transport->close(&conn->stream, conn->reset);
	queue_clear(&conn->queue);
	input_drop(&conn->input);
	ids_remove(&ids, &conn->id);
	if (listener->sweep == conn)
		listener->sweep = TAILQ_NEXT(conn, link);
	TAILQ_REMOVE(&listener->conns, conn, link);
	service_count_conn(conn->service, -1);
	seat_release(&conn->seat);
	if (!conn->pending)
		STAILQ_INSERT_TAIL(&dead, conn, next);
	engine.after_pass_due = true;
}

static void
conn_free(struct sl_conn *conn)
{
	struct listener *listener = conn->service->listener;

	if (--listener->conn_count == 0 && listener->gone)
		listener_set_due(listener);
	service_unref(conn->service);
	conn_names_free(conn);
	free(conn);
}

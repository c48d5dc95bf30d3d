/*
 * survey.c: goes through all connections of the worker for one question after
 * the other.  The rows with the highest scores are kept in a heap, the lowest
 * one first, in the sheet itself.
 */

#include "worker/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "base/log.h"
#include "config/network.h"
#include "ipc/conn_sheet.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/gen.h"
#include "worker/input.h"
#include "worker/listener.h"
#include "worker/plugin.h"
#include "worker/uplink.h"

#define LOOKS_MAX 4096 /* at connections, in one pass */

struct question {
	STAILQ_ENTRY(question) link;
	uint32_t serial;
	struct conn_sheet *sheet; /* mapped */
	struct conn_query query;  /* a copy, as nobody else can change it */
	uint64_t matched;
	uint32_t rows;
};

static STAILQ_HEAD(, question) questions = STAILQ_HEAD_INITIALIZER(questions);
/* Where the first question has come to; no listener: it has not begun. */
static struct {
	struct listener *listener;
	struct sl_conn *conn;
} at;

static void
begin(void)
{
	at.listener = LIST_FIRST(&listeners);
	at.conn = at.listener != NULL ? TAILQ_FIRST(&at.listener->conns) : NULL;
}

void
survey_skip_conn(const struct sl_conn *conn)
{
	if (at.conn == conn)
		at.conn = TAILQ_NEXT(conn, link);
}

void
survey_skip_listener(const struct listener *listener)
{
	if (at.listener != listener)
		return;
	at.listener = LIST_NEXT(listener, link);
	at.conn = at.listener != NULL ? TAILQ_FIRST(&at.listener->conns) : NULL;
}

static enum conn_state
state_of(const struct sl_conn *conn)
{
	static const enum conn_state states[] = {
		[SL_STATE_CONNECTING] = CONN_STATE_CONNECTING,
		[SL_STATE_HANDSHAKE] = CONN_STATE_HANDSHAKE,
		[SL_STATE_OPEN] = CONN_STATE_OPEN,
		[SL_STATE_READ_CLOSED] = CONN_STATE_READ_CLOSED,
		[SL_STATE_WRITE_CLOSED] = CONN_STATE_WRITE_CLOSED,
		[SL_STATE_CLOSING] = CONN_STATE_CLOSING,
		[SL_STATE_CLOSED] = CONN_STATE_CLOSING,
	};

	return states[sl_state(conn)];
}

static bool
has_id(const struct conn_query *query, uint64_t id)
{
	for (uint32_t i = 0; i < query->id_count; i++)
		if (query->ids[i] == id)
			return true;
	return query->id_count == 0;
}

static bool
matches(const struct sl_conn *conn, const struct conn_query *query)
{
	socklen_t len;

	return !conn->dead && has_id(query, conn->id.id) &&
	    (query->state == CONN_STATE_ANY ||
		state_of(conn) == query->state) &&
	    (!query->has_network ||
		network_has(&query->network, conn_client(conn, &len)));
}

static uint64_t
score_of(const struct sl_conn *conn, uint32_t sort)
{
	switch (sort) {
	case CONN_SORT_IDLE:
		return engine_now() - conn->active_ms;
	case CONN_SORT_IN:
		return conn->bytes_in;
	case CONN_SORT_OUT:
		return conn->bytes_out;
	case CONN_SORT_QUEUE:
		return conn_unsent(conn);
	case CONN_SORT_RATE:
		return conn_rate(conn->bytes_in + conn->bytes_out,
		    engine_now() - conn->opened_ms);
	default:
		/* Among those of one millisecond, the one that came first. */
		return (engine_now() - conn->opened_ms) << 20 |
		    (~conn->id.id & 0xfffff);
	}
}

static void
fill(struct conn_row *row, const struct sl_conn *conn, uint64_t score)
{
	const struct sl_plugin *plugin = &conn->service->plugin->descriptor;
	const char *tls = sl_tls_version(conn);

	memset(row, 0, sizeof(*row));
	row->score = score;
	row->id = conn->id.id;
	row->age_ms = engine_now() - conn->opened_ms;
	row->idle_ms = engine_now() - conn->active_ms;
	row->bytes_in = conn->bytes_in;
	row->bytes_out = conn->bytes_out;
	row->queued = conn_unsent(conn);
	row->kept = input_bytes(conn->input);
	row->state = state_of(conn);
	row->code = conn->service->generation;
	row->outgoing = conn->is_client;
	snprintf(row->listener, sizeof(row->listener), "%s",
	    conn->endpoint->name);
	conn_remote_text(conn, row->peer);
	snprintf(row->tls, sizeof(row->tls), "%s", tls != NULL ? tls : "");
	snprintf(row->plugin, sizeof(row->plugin), "%s", plugin->name);
	snprintf(row->version, sizeof(row->version), "%s", plugin->version);
}

static void
swap(struct conn_row *a, struct conn_row *b)
{
	struct conn_row row = *a;

	*a = *b;
	*b = row;
}

/* The last row is new: move it to its place in the heap. */
static void
rise(struct conn_row *row, uint32_t i)
{
	for (uint32_t parent; i > 0; i = parent) {
		parent = (i - 1) / 2;
		if (row[parent].score <= row[i].score)
			return;
		swap(&row[parent], &row[i]);
	}
}

/* The same for the first of `count` rows. */
static void
sink(struct conn_row *row, uint32_t count)
{
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < count) {
		if (child + 1 < count &&
		    row[child + 1].score < row[child].score)
			child++;
		if (row[i].score <= row[child].score)
			return;
		swap(&row[i], &row[child]);
		i = child;
	}
}

static void
take(struct question *question, const struct sl_conn *conn)
{
	struct conn_row *row = question->sheet->row;
	uint64_t score = score_of(conn, question->query.sort);

	question->matched++;
	if (question->rows < question->query.most) {
		fill(&row[question->rows], conn, score);
		rise(row, question->rows++);
	} else if (question->rows > 0 && score > row[0].score) {
		fill(&row[0], conn, score);
		sink(row, question->rows);
	}
}

static void
look(struct question *question, struct sl_conn *conn)
{
	if (!matches(conn, &question->query))
		return;
	if (!question->query.kill) {
		take(question, conn);
		return;
	}
	question->matched++;
	conn->reset = true;
	conn_fail(conn, SL_WHY_KILLED, 0, SL_STAGE_NONE);
	conn_pend(conn);
}

/* The heap has the lowest score first: take it out, to the end, again and again. */
static void
put_in_order(struct conn_row *row, uint32_t count)
{
	while (count > 1) {
		swap(&row[0], &row[--count]);
		sink(row, count);
	}
}

static void
drop_first(void)
{
	struct question *question = STAILQ_FIRST(&questions);

	STAILQ_REMOVE_HEAD(&questions, link);
	munmap(question->sheet, CONN_SHEET_SIZE(question->query.most));
	free(question);
	if (!STAILQ_EMPTY(&questions))
		begin();
}

static void
answer(struct question *question)
{
	put_in_order(question->sheet->row, question->rows);
	question->sheet->matched = question->matched;
	question->sheet->rows = question->rows;
	uplink_listed(question->serial);
	drop_first();
}

/* The next connection of the listener asked for, or NULL after the last. */
static struct sl_conn *
next(const struct conn_query *query)
{
	struct sl_conn *conn;

	while (at.listener != NULL &&
	    (at.conn == NULL ||
		(query->listener[0] != '\0' &&
		    strcmp(query->listener, at.listener->endpoint.name) != 0)))
		survey_skip_listener(at.listener);
	conn = at.conn;
	if (conn != NULL)
		survey_skip_conn(conn);
	return conn;
}

bool
survey_go_on(void)
{
	struct question *question = STAILQ_FIRST(&questions);
	struct sl_conn *conn;

	for (unsigned int looks = 0; question != NULL && looks < LOOKS_MAX;
	     looks++) {
		conn = next(&question->query);
		if (conn != NULL) {
			look(question, conn);
			continue;
		}
		answer(question);
		question = STAILQ_FIRST(&questions);
	}
	return question != NULL;
}

void
survey_ask(int fd, uint32_t serial)
{
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL ||
	    (question->sheet = conn_sheet_map(fd)) == NULL) {
		/* The master goes on without us when its patience is over. */
		log_warn("cannot tell the master about connections");
		free(question);
		return;
	}
	question->serial = serial;
	question->query = question->sheet->query;
	STAILQ_INSERT_TAIL(&questions, question, link);
	if (STAILQ_FIRST(&questions) == question)
		begin();
	engine.after_pass_due = true;
}

void
survey_done(void)
{
	while (!STAILQ_EMPTY(&questions))
		drop_first();
}

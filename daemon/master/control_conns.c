/*
 * control_conns.c: the connections of all workers, and the end of some.  The
 * workers are asked; those that do not answer in time are named and left out.
 */

#include "master/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/log.h"
#include "config/network.h"
#include "ipc/conn_sheet.h"
#include "master/ask.h"
#include "master/bygones.h"
#include "master/control_conn.h"
#include "master/doing.h"
#include "master/events.h"
#include "master/slots.h"
#include "master/workers.h"

#define LIMIT_USUAL 100

/* What one worker has answered. */
struct answer {
	int fd; /* borrowed; -1: it has not */
	uint32_t worker;
	uint32_t rows, taken;
	struct conn_row row; /* the next one, if taken < rows */
};

/* Have the next row at hand.  A worker that lies has no more rows. */
static void
fetch(struct answer *answer)
{
	if (answer->taken < answer->rows &&
	    conn_sheet_row(answer->fd, answer->taken, &answer->row) == -1)
		answer->rows = answer->taken;
}

static json_t *
row_object(const struct conn_row *row, uint32_t worker)
{
	json_t *object = json_pack("{s:I, s:I, s:o, s:o, s:s, s:b, s:I, s:I}",
	    "id", (json_int_t)row->id, "worker", (json_int_t)worker + 1,
	    "listener", json_text(row->listener), "peer", json_text(row->peer),
	    "state", conn_state_word(row->state), "outgoing", row->outgoing,
	    "age_ms", (json_int_t)row->age_ms, "idle_ms",
	    (json_int_t)row->idle_ms);
	json_t *more = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, "
				 "s:I}",
	    "in", (json_int_t)row->bytes_in, "out", (json_int_t)row->bytes_out,
	    "in_rate", (json_int_t)conn_rate(row->bytes_in, row->age_ms),
	    "out_rate", (json_int_t)conn_rate(row->bytes_out, row->age_ms),
	    "queued", (json_int_t)row->queued, "kept", (json_int_t)row->kept,
	    "plugin", json_text(row->plugin), "version",
	    json_text(row->version), "generation", (json_int_t)row->code);

	if (object != NULL && more != NULL)
		json_object_update(object, more);
	json_decref(more);
	if (row->tls[0] != '\0')
		json_object_set_new(object, "tls", json_text(row->tls));
	return object;
}

/* Each worker's rows come in order: merge them, up to `most`. */
static json_t *
merge(struct answer *answers, uint32_t count, uint32_t most)
{
	json_t *list = json_array();
	struct answer *best;

	for (uint32_t n = 0; n < most; n++) {
		best = NULL;
		for (uint32_t i = 0; i < count; i++)
			if (answers[i].taken < answers[i].rows &&
			    (best == NULL ||
				answers[i].row.score > best->row.score))
				best = &answers[i];
		if (best == NULL)
			break;
		json_array_append_new(list,
		    row_object(&best->row, best->worker));
		best->taken++;
		fetch(best);
	}
	return list;
}

/* Those that have connections and have not answered, with what they do. */
static json_t *
silent_workers(const struct control_subject *subject, const struct ask *ask)
{
	json_t *list = json_array();
	struct worker_facts facts;
	char doing[DOING_MAX];

	for (uint32_t i = 0; i < workers_places(subject->workers); i++) {
		if (!workers_facts(subject->workers, i, &facts) ||
		    ask_sheet(ask, i) != -1 || facts.connections == 0)
			continue;
		workers_doing(subject->workers, i, NULL, doing);
		json_array_append_new(list,
		    json_pack("{s:I, s:I, s:o}", "worker",
			(json_int_t)facts.worker + 1, "connections",
			(json_int_t)facts.connections, "doing",
			json_text(doing)));
	}
	return list;
}

/* Read what was answered.  Returns how many connections have matched. */
static uint64_t
collect(const struct workers *workers, const struct ask *ask,
    struct answer *answers, uint32_t count, uint32_t most)
{
	struct worker_facts facts;
	uint64_t total = 0, matched;

	for (uint32_t i = 0; i < count; i++) {
		answers[i].fd = ask_sheet(ask, i);
		if (answers[i].fd == -1 || !workers_facts(workers, i, &facts) ||
		    conn_sheet_result(answers[i].fd, most, &answers[i].rows,
			&matched) == -1)
			continue;
		answers[i].worker = facts.worker;
		total += matched;
		fetch(&answers[i]);
	}
	return total;
}

/* What the client waits for. */
struct inquiry {
	struct ask *ask;
	bool kill;
	uint32_t most, ids;
};

static void
drop(struct control_conn *conn)
{
	struct inquiry *inquiry = conn->waits_for;

	conn->waits_for = NULL;
	if (inquiry == NULL)
		return;
	ask_free(inquiry->ask);
	free(inquiry);
}

static void
on_done(void *arg, struct ask *ask)
{
	struct control_conn *conn = arg;
	struct inquiry *inquiry = conn->waits_for;
	uint32_t count = workers_places(conn->subject->workers);
	struct answer *answers = calloc(count, sizeof(*answers));
	json_t *reply = NULL;
	uint64_t matched = 0;

	if (answers != NULL) {
		matched = collect(conn->subject->workers, ask, answers, count,
		    inquiry->most);
		reply = inquiry->kill
		    ? json_pack("{s:I, s:I}", "killed", (json_int_t)matched,
			  "ids", (json_int_t)inquiry->ids)
		    : json_pack("{s:I, s:o}", "matched", (json_int_t)matched,
			  "conns", merge(answers, count, inquiry->most));
		json_object_set_new(reply, "silent",
		    silent_workers(conn->subject, ask));
		/* Nobody can ask those of the program before an upgrade. */
		json_object_set_new(reply, "old_workers",
		    json_integer(bygones_count(conn->subject->bygones)));
	}
	if (answers != NULL && inquiry->kill)
		event_log(EVENT_COMMAND, LOG_LEVEL_INFO,
		    "control socket, uid %u, process %d: ended %" PRIu64
		    " connection%s",
		    (unsigned int)conn->uid, (int)conn->pid, matched,
		    matched == 1 ? "" : "s");
	free(answers);
	drop(conn);
	control_reply(conn, reply);
}

static void
begin(struct control_conn *conn, const struct conn_query *query)
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));

	if (inquiry != NULL) {
		inquiry->kill = query->kill;
		inquiry->most = query->most;
		inquiry->ids = query->id_count;
		inquiry->ask =
		    ask_workers(conn->subject->workers, query, on_done, conn);
	}
	if (inquiry == NULL || inquiry->ask == NULL) {
		free(inquiry);
		control_fail(conn,
		    "cannot ask the workers: out of memory or "
		    "descriptors; try again later");
		return;
	}
	conn->waits_for = inquiry;
	control_wait(conn, drop);
}

/* Also one that is no longer configured, and whose connections are draining. */
static bool
is_known(const struct control_subject *subject, const char *name)
{
	for (uint32_t i = 0; i < workers_places(subject->workers); i++)
		if (slots_given(subject->slots, name, i))
			return true;
	return false;
}

/* The listener, or connector, must exist.  Returns false after saying so. */
static bool
set_listener(struct control_conn *conn, const json_t *value,
    struct conn_query *query)
{
	const char *name = json_string_value(value);

	if (name == NULL)
		return true;
	if (!is_known(conn->subject, name)) {
		control_fail(conn,
		    "there is no listener or connector \"%.64s\"", name);
		return false;
	}
	snprintf(query->listener, sizeof(query->listener), "%s", name);
	return true;
}

static bool
set_address(struct control_conn *conn, const json_t *value,
    struct conn_query *query)
{
	struct error err;

	if (value == NULL)
		return true;
	query->has_network = true;
	if (network_parse(json_string_value(value), &query->network, &err) == 0)
		return true;
	control_fail(conn, "%s", err.text);
	return false;
}

static bool
set_words(struct control_conn *conn, const struct control_args *args,
    struct conn_query *query)
{
	const char *state = json_string_value(args->of[CONTROL_CONNS_STATE]);
	const char *sort = json_string_value(args->of[CONTROL_CONNS_SORT]);

	query->state = state != NULL ? conn_state_of(state) : CONN_STATE_ANY;
	query->sort = sort != NULL ? conn_sort_of(sort) : CONN_SORT_AGE;
	if (query->state == CONN_STATES)
		control_fail(conn,
		    "there is no state \"%.32s\": it is one of connecting, "
		    "handshake, open, read-closed, write-closed and closing",
		    state);
	else if (query->sort == CONN_SORTS)
		control_fail(conn,
		    "cannot sort by \"%.32s\": it is one of age, idle, in, out, "
		    "queue and rate",
		    sort);
	else
		return true;
	return false;
}

void
control_conns(struct control_conn *conn, const struct control_args *args)
{
	const json_t *limit = args->of[CONTROL_CONNS_LIMIT];
	struct conn_query query = { .most = LIMIT_USUAL };

	if (limit != NULL && json_integer_value(limit) > CONN_SHEET_ROWS_MAX) {
		control_fail(conn, "the limit is at most %d",
		    CONN_SHEET_ROWS_MAX);
		return;
	}
	if (limit != NULL)
		query.most = (uint32_t)json_integer_value(limit);
	if (set_listener(conn, args->of[CONTROL_CONNS_LISTENER], &query) &&
	    set_address(conn, args->of[CONTROL_CONNS_ADDRESS], &query) &&
	    set_words(conn, args, &query))
		begin(conn, &query);
}

void
control_kill(struct control_conn *conn, const struct control_args *args)
{
	const json_t *ids = args->of[CONTROL_KILL_IDS];
	struct conn_query query = { .kill = true };

	query.id_count = (uint32_t)json_array_size(ids);
	for (uint32_t i = 0; i < query.id_count; i++)
		query.ids[i] =
		    (uint64_t)json_integer_value(json_array_get(ids, i));
	if (query.id_count == 0 && args->of[CONTROL_KILL_LISTENER] == NULL &&
	    args->of[CONTROL_KILL_ADDRESS] == NULL) {
		control_fail(conn,
		    "say which: ids of connections, or a "
		    "listener, or an address");
		return;
	}
	if (!set_listener(conn, args->of[CONTROL_KILL_LISTENER], &query) ||
	    !set_address(conn, args->of[CONTROL_KILL_ADDRESS], &query))
		return;
	begin(conn, &query);
}

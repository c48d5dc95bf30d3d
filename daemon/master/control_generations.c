/*
 * control_generations.c: the generations that are still alive: the committed
 * one, the one before it, and each whose code still serves a connection.
 * Connections of a listener whose code did not change belong to the committed
 * generation, which serves them, and "code" says which one brought that code.
 */

#include "master/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "config/settings.h"
#include "ipc/versions.h"
#include "master/control_conn.h"
#include "master/gen.h"
#include "master/reload.h"
#include "master/slots.h"
#include "master/workers.h"

#define ROWS_MAX 16384 /* an answer of about 1 MiB */

struct row {
	uint32_t generation, slot, code;
	uint64_t connections;
};

struct rows {
	uint32_t count, room;
	struct row *row;
};

static bool
add_row(struct rows *rows, const struct row *row)
{
	struct row *larger;

	if (rows->count == ROWS_MAX)
		return false;
	if (rows->count == rows->room) {
		larger =
		    reallocarray(rows->row, 2 * rows->room + 64, sizeof(*row));
		if (larger == NULL)
			return false;
		rows->row = larger;
		rows->room = 2 * rows->room + 64;
	}
	rows->row[rows->count++] = *row;
	return true;
}

/* Newest generation first; within a generation by listener. */
static int
compare(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;

	if (a->generation != b->generation)
		return a->generation > b->generation ? -1 : 1;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/*
 * Add up what the workers show.  In a generation a listener has one code.  A
 * worker that was started again has loaded it later than the others, so what
 * counts is who had it first.
 */
static void
merge(struct rows *rows)
{
	uint32_t kept = 0;

	if (rows->count == 0)
		return;
	qsort(rows->row, rows->count, sizeof(rows->row[0]), compare);
	for (uint32_t i = 1; i < rows->count; i++) {
		if (compare(&rows->row[kept], &rows->row[i]) != 0) {
			rows->row[++kept] = rows->row[i];
			continue;
		}
		rows->row[kept].connections += rows->row[i].connections;
		if (rows->row[i].code < rows->row[kept].code)
			rows->row[kept].code = rows->row[i].code;
	}
	rows->count = kept + 1;
}

/* What one worker shows, unless it contradicts itself. */
static bool
collect(struct rows *rows, const struct shm *shm, uint32_t worker,
    uint32_t serves)
{
	struct version_seen seen;
	bool whole = versions_whole(shm, worker);
	uint32_t at = 0;
	struct row row;

	while (version_next(shm, worker, &at, &seen)) {
		if (seen.connections == 0 && !seen.current)
			continue;
		if (seen.generation > serves) {
			whole = false; /* it is committing, or is wrong */
			continue;
		}
		row = (struct row){
			.generation = seen.current ? serves : seen.generation,
			.slot = seen.slot,
			.code = seen.generation,
			.connections = seen.connections,
		};
		if (!add_row(rows, &row))
			return false;
	}
	return whole;
}

static json_t *
listener_name(const struct slots *slots, uint32_t slot)
{
	const char *name = slots_name(slots, slot);

	return json_text(name != NULL ? name : "(unknown)");
}

/* The rows of one generation, which begin at *at.  Moves *at past them. */
static json_t *
generation_object(const struct control_subject *subject,
    const struct rows *rows, uint32_t *at)
{
	const struct gen *committed = reload_committed(subject->reload);
	const struct gen *previous = reload_previous(subject->reload);
	uint32_t number = rows->row[*at].generation;
	json_t *listeners = json_array();
	/*
	 * A generation that was rolled back may still have connections, and so
	 * may an older one.
	 */
	const char *state = committed != NULL && number > committed->number &&
		reload_in_canary(subject->reload)
	    ? "canary"
	    : "draining";
	const struct row *row;
	uint64_t sum = 0;

	if (committed != NULL && committed->number == number)
		state = "committed";
	else if (previous != NULL && previous->number == number)
		state = "previous";
	for (; *at < rows->count && rows->row[*at].generation == number;
	     ++*at) {
		row = &rows->row[*at];
		if (row->slot == SLOT_NONE)
			continue;
		sum += row->connections;
		json_array_append_new(listeners,
		    json_pack("{s:o, s:I, s:I}", "name",
			listener_name(subject->slots, row->slot), "connections",
			(json_int_t)row->connections, "code",
			(json_int_t)row->code));
	}
	return json_pack("{s:I, s:s, s:I, s:o}", "generation",
	    (json_int_t)number, "state", state, "connections", (json_int_t)sum,
	    "listeners", listeners);
}

/* So that it is shown even if no worker serves it. */
static bool
add_generation(struct rows *rows, const struct gen *gen)
{
	struct row row = { .slot = SLOT_NONE };

	if (gen == NULL)
		return true;
	row.generation = gen->number;
	return add_row(rows, &row);
}

/*
 * Add what the process at a place shows.  Returns false when that is not
 * complete.
 */
static bool
add_process(struct rows *rows, const struct control_subject *subject,
    uint32_t place, json_t *workers)
{
	struct worker_facts facts;

	if (!workers_facts(subject->workers, place, &facts))
		return true;
	if (workers_place(subject->workers, facts.worker) == place)
		json_array_append_new(workers,
		    json_pack("{s:I, s:s}", "worker",
			(json_int_t)facts.worker + 1, "state",
			facts.pid != 0 ? "answered" : "down"));
	return facts.pid != 0 &&
	    collect(rows, workers_shm(subject->workers), place,
		facts.generation);
}

void
control_generations(struct control_conn *conn, const struct control_args *args)
{
	const struct control_subject *subject = conn->subject;
	json_t *generations = json_array(), *workers = json_array();
	struct rows rows = { 0 };
	uint32_t at = 0;
	bool whole;

	(void)args;
	whole = add_generation(&rows, reload_committed(subject->reload)) &&
	    add_generation(&rows, reload_previous(subject->reload));
	for (uint32_t i = 0; i < workers_places(subject->workers); i++) {
		whole = add_process(&rows, subject, i, workers) && whole;
		/*
		 * Add up after each worker, so that many workers need no more
		 * room than one.
		 */
		merge(&rows);
	}
	while (at < rows.count)
		json_array_append_new(generations,
		    generation_object(subject, &rows, &at));
	free(rows.row);
	control_reply(conn,
	    json_pack("{s:b, s:o, s:o}", "whole", whole, "generations",
		generations, "workers", workers));
}

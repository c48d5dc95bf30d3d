/* control_recycle.c: `workers recycle`: one worker, or all, one after another. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "master/control.h"
#include "master/control_conn.h"
#include "master/workers.h"

struct recycling {
	uint32_t next, end; /* workers */
	bool all;
	uint32_t done;
	json_t *lines;
	char who[64];
};

static void
drop(struct control_conn *conn)
{
	struct recycling *recycling = conn->waits_for;

	conn->waits_for = NULL;
	workers_recycle_forget(conn->subject->workers, conn);
	if (recycling != NULL)
		json_decref(recycling->lines);
	free(recycling);
}

/* problem: what went wrong, or NULL. */
static void
answer(struct control_conn *conn, const char *problem)
{
	struct recycling *recycling = conn->waits_for;
	json_t *problems = json_array(), *reply;
	char verdict[64];

	snprintf(verdict, sizeof(verdict), "recycled: %u worker%s",
	    recycling->done, recycling->done == 1 ? "" : "s");
	if (problem != NULL)
		json_array_append_new(problems, json_text(problem));
	reply =
	    json_pack("{s:b, s:O, s:o, s:s}", "ok", problem == NULL, "changes",
		recycling->lines, "problems", problems, "verdict", verdict);
	drop(conn);
	control_reply(conn, reply);
}

static void begin_next(struct control_conn *conn);

static void
on_done(void *arg, bool good, const char *text)
{
	struct control_conn *conn = arg;
	struct recycling *recycling = conn->waits_for;

	if (!good) {
		answer(conn, text);
		return;
	}
	json_array_append_new(recycling->lines, json_text(text));
	recycling->done++;
	begin_next(conn);
}

/* Is it a worker of no group, which has left, or leaves anyway? */
static bool
is_leaving(const struct workers *workers, uint32_t worker)
{
	struct worker_facts facts;

	return !workers_facts(workers, workers_place(workers, worker),
		   &facts) ||
	    facts.group == NULL;
}

static void
begin_next(struct control_conn *conn)
{
	struct recycling *recycling = conn->waits_for;
	struct error err;

	while (recycling->all && recycling->next < recycling->end &&
	    is_leaving(conn->subject->workers, recycling->next))
		recycling->next++;
	if (recycling->next == recycling->end)
		answer(conn, NULL);
	else if (workers_recycle(conn->subject->workers, recycling->next++,
		     recycling->who, on_done, conn, &err) == -1)
		answer(conn, err.text);
}

void
control_workers(struct control_conn *conn, const struct control_args *args)
{
	const char *action =
	    json_string_value(args->of[CONTROL_WORKERS_ACTION]);
	json_int_t number =
	    json_integer_value(args->of[CONTROL_WORKERS_WORKER]);
	struct recycling *recycling;
	uint32_t count = 0;

	if (conn->subject->workers != NULL)
		count = workers_count(conn->subject->workers);
	if (strcmp(action, "recycle") != 0) {
		control_fail(conn,
		    "workers cannot \"%.32s\": the word is recycle", action);
		return;
	}
	if (args->of[CONTROL_WORKERS_WORKER] != NULL &&
	    (number < 1 || number > count)) {
		control_fail(conn,
		    "there is no worker %lld: they have the numbers 1 to %u",
		    (long long)number, count);
		return;
	}
	recycling = calloc(1, sizeof(*recycling));
	if (recycling == NULL || (recycling->lines = json_array()) == NULL) {
		free(recycling);
		control_fail(conn, "out of memory");
		return;
	}
	recycling->next = number > 0 ? (uint32_t)number - 1 : 0;
	recycling->end = number > 0 ? (uint32_t)number : count;
	recycling->all = number == 0;
	control_client_name(conn, recycling->who, sizeof(recycling->who));
	conn->waits_for = recycling;
	control_wait(conn, drop);
	begin_next(conn);
}

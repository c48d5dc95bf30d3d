/*
 * control_diff.c: what a reload would change.  Reader and probe build a
 * generation of what is on disk, as for a reload; it is compared with the
 * committed one, and dropped.  One build runs at a time, and all who ask before
 * it begins share it.  Those who ask later wait for the next one, since the
 * files may be others by then.
 */

#include "master/control_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/build.h"
#include "master/control.h"
#include "master/control_conn.h"
#include "master/gen.h"
#include "master/reload.h"
#include "master/verdict.h"

/* Of all lines of one list: whatever their bytes are, two fit an answer. */
#define LINES_BYTES_MAX (512u << 10)

struct lines {
	json_t *array;
	size_t bytes;
};

struct asking {
	TAILQ_ENTRY(asking) link;
	struct control_diffs *diffs;
	struct control_conn *conn;
	bool served; /* by the build that runs */
};

struct control_diffs {
	struct children *children;
	const struct reload *reload;
	const char *config;
	struct build *build;
	struct lines problems;
	unsigned int errors;
	TAILQ_HEAD(, asking) asking;
};

static void
add_line(struct lines *lines, const char *text)
{
	if (lines->bytes > LINES_BYTES_MAX)
		return;
	lines->bytes += strlen(text);
	json_array_append_new(lines->array,
	    json_text(lines->bytes > LINES_BYTES_MAX
		    ? "... (there is more, but no room for it)"
		    : text));
}

static void
on_problem(void *arg, int level, const char *file, uint32_t line,
    const char *text)
{
	struct control_diffs *diffs = arg;
	char whole[PROBLEM_LINE_MAX];

	if (level <= LOG_LEVEL_ERROR)
		diffs->errors++;
	problem_line(whole, level, file, line, text);
	add_line(&diffs->problems, whole);
}

static void
on_obstacle(void *arg, const struct origin *origin, const char *text)
{
	on_problem(arg, LOG_LEVEL_ERROR, origin != NULL ? origin->file : "",
	    origin != NULL ? origin->line : 0, text);
}

static void
on_change(void *arg, const struct origin *origin, const char *text)
{
	(void)origin;
	add_line(arg, text);
}

/* Plugins with other bytes, of listeners and connectors that stay. */
static json_t *
images(const struct gen *next, const struct gen *committed)
{
	const struct listener_settings *now, *then;
	const uint8_t *hash_now, *hash_then;
	json_t *array = json_array();

	for (uint32_t i = 0; i < settings_endpoints(next->settings); i++) {
		now = settings_endpoint(next->settings, i);
		then = settings_find(committed->settings, now->name);
		if (then == NULL)
			continue;
		hash_now = next->settings->images[now->image].hash;
		hash_then = committed->settings->images[then->image].hash;
		if (memcmp(hash_now, hash_then, IMAGE_HASH_SIZE) != 0)
			json_array_append_new(array,
			    json_pack("{s:o, s:o, s:o}", "name",
				json_text(now->name), "before",
				control_hash(hash_then), "now",
				control_hash(hash_now)));
	}
	return array;
}

static json_t *
compare(const struct gen *next, const struct gen *committed)
{
	struct lines changes = { .array = json_array() };
	const struct gen_teller teller = { on_change, &changes };

	gen_tell_endpoints(next, committed, &teller);
	gen_tell_changes(next, committed, &teller);
	return changes.array;
}

/* next NULL: it could not be built. */
static json_t *
answer(struct control_diffs *diffs, const struct gen *next)
{
	const struct gen *committed = reload_committed(diffs->reload);
	const struct gen_teller teller = { on_obstacle, diffs };
	json_t *changes = json_array(), *others = json_array();
	char verdict[160], count[64];

	if (next != NULL) {
		reload_tell_obstacles(diffs->reload, next, &teller);
		json_decref(changes);
		json_decref(others);
		changes = compare(next, committed);
		others = images(next, committed);
	}
	if (diffs->errors > 0 || next == NULL)
		snprintf(verdict, sizeof(verdict),
		    "a reload would be refused: %s; generation %u would stay",
		    count_text(diffs->errors, "problem", count),
		    committed->number);
	else if (json_array_size(changes) == 0)
		snprintf(verdict, sizeof(verdict),
		    "a reload would change nothing of generation %u",
		    committed->number);
	else
		snprintf(verdict, sizeof(verdict),
		    "a reload would make these changes to generation %u",
		    committed->number);
	return json_pack("{s:b, s:b, s:I, s:s, s:o, s:o, s:O, s:s}", "ok",
	    next != NULL && diffs->errors == 0, "same",
	    next != NULL && json_array_size(changes) == 0, "generation",
	    (json_int_t)committed->number, "reload",
	    reload_state_name(diffs->reload), "changes", changes, "images",
	    others, "problems", diffs->problems.array, "verdict", verdict);
}

static void
drop(struct asking *asking)
{
	TAILQ_REMOVE(&asking->diffs->asking, asking, link);
	free(asking);
}

/* Takes the reply over. */
static void
reply_all(struct control_diffs *diffs, json_t *reply)
{
	struct asking *asking, *next;
	struct control_conn *conn;

	for (asking = TAILQ_FIRST(&diffs->asking); asking != NULL;
	     asking = next) {
		next = TAILQ_NEXT(asking, link);
		if (!asking->served)
			continue;
		conn = asking->conn;
		drop(asking);
		control_reply(conn, json_incref(reply));
	}
	json_decref(reply);
}

static void begin(struct control_diffs *diffs);

static void
on_done(void *arg, struct gen *gen)
{
	struct control_diffs *diffs = arg;

	diffs->build = NULL;
	reply_all(diffs, answer(diffs, gen));
	gen_unref(gen);
	begin(diffs);
}

static const struct build_ops build_ops = {
	.on_problem = on_problem,
	.on_done = on_done,
};

/* If anybody asks and no build runs. */
static void
begin(struct control_diffs *diffs)
{
	struct asking *asking;
	struct error err;

	if (diffs->build != NULL || TAILQ_EMPTY(&diffs->asking))
		return;
	json_decref(diffs->problems.array);
	diffs->problems = (struct lines){ .array = json_array() };
	diffs->errors = 0;
	TAILQ_FOREACH(asking, &diffs->asking, link)
		asking->served = true;
	diffs->build = build_start(diffs->children, diffs->config,
	    reload_committed(diffs->reload)->number + 1, true, &build_ops,
	    diffs, &err);
	if (diffs->build == NULL)
		reply_all(diffs,
		    json_pack("{s:b, s:o}", "ok", 0, "error",
			json_text(err.text)));
}

/* Does nobody wait for the build that runs? */
static bool
is_idle(const struct control_diffs *diffs)
{
	const struct asking *asking;

	TAILQ_FOREACH(asking, &diffs->asking, link)
		if (asking->served)
			return false;
	return true;
}

static void
cancel(struct control_conn *conn)
{
	struct asking *asking = conn->waits_for;
	struct control_diffs *diffs = asking->diffs;

	drop(asking);
	if (!is_idle(diffs))
		return;
	build_cancel(diffs->build);
	diffs->build = NULL;
	begin(diffs);
}

void
control_diff(struct control_conn *conn, const struct control_args *args)
{
	struct control_diffs *diffs = conn->subject->diffs;
	struct asking *asking;

	(void)args;
	if (strcmp(reload_state_name(diffs->reload), "stopped") == 0) {
		control_fail(conn, "sluiced is stopping");
		return;
	}
	if (reload_committed(diffs->reload) == NULL) {
		control_fail(conn,
		    "nothing is served yet that could be compared");
		return;
	}
	asking = calloc(1, sizeof(*asking));
	if (asking == NULL) {
		control_fail(conn, "out of memory; try again later");
		return;
	}
	asking->diffs = diffs;
	asking->conn = conn;
	TAILQ_INSERT_TAIL(&diffs->asking, asking, link);
	conn->waits_for = asking;
	control_wait(conn, cancel);
	begin(diffs);
}

struct control_diffs *
control_diffs_new(struct children *children, const struct reload *reload,
    const char *config)
{
	struct control_diffs *diffs = calloc(1, sizeof(*diffs));

	if (diffs == NULL)
		return NULL;
	diffs->children = children;
	diffs->reload = reload;
	diffs->config = config;
	TAILQ_INIT(&diffs->asking);
	return diffs;
}

void
control_diffs_free(struct control_diffs *diffs)
{
	if (diffs == NULL)
		return;
	build_cancel(diffs->build);
	json_decref(diffs->problems.array);
	free(diffs);
}

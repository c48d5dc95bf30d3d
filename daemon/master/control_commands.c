/*
 * control_commands.c: from the request to the function that answers it, and
 * those commands that change something.
 */

#include "master/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/log.h"
#include "base/time_text.h"
#include "config/keys.h"
#include "master/control_conn.h"
#include "master/crashes.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/reload.h"
#include "master/upgrade.h"
#include "master/workers.h"

static json_t *
time_value(uint64_t ms)
{
	char text[TIME_TEXT_MAX];

	return json_string(time_text(ms, text));
}

void
control_client_name(const struct control_conn *conn, char *who, size_t size)
{
	snprintf(who, size, "control socket, uid %u, process %d",
	    (unsigned int)conn->uid, (int)conn->pid);
}

static void
on_verdict(void *arg, bool good, const char *text)
{
	struct control_conn *conn = arg;
	const struct gen *gen = reload_committed(conn->subject->reload);
	const char *newline = strrchr(text, '\n');
	const char *last = newline != NULL ? newline + 1 : text;
	const char *changes = reload_changes(conn->subject->reload);

	control_reply(conn,
	    json_pack("{s:b, s:o, s:o, s:o, s:I}", "ok", good, "changes",
		control_lines(changes, changes + strlen(changes)), "problems",
		control_lines(text, last), "verdict", json_text(last),
		"generation", (json_int_t)(gen != NULL ? gen->number : 0)));
}

static void
stop_waiting(struct control_conn *conn)
{
	reload_forget_waiter(conn->subject->reload, conn);
}

static void
run_reload(struct control_conn *conn, const struct control_args *args)
{
	struct reload_waiter waiter = { on_verdict, conn };
	struct reload *reload = conn->subject->reload;
	unsigned int how = args->of[CONTROL_RELOAD_FORCE] ? RELOAD_FORCE : 0;
	char who[64];

	control_client_name(conn, who, sizeof(who));
	if (args->of[CONTROL_RELOAD_WAIT] != NULL) {
		control_wait(conn, stop_waiting);
		reload_request_for(reload, who, how, &waiter);
	} else if (strcmp(reload_state_name(reload), "stopped") == 0) {
		control_fail(conn, "sluiced is stopping");
	} else {
		reload_request_for(reload, who, how, NULL);
		control_reply(conn, json_pack("{s:b}", "accepted", 1));
	}
}

static void
run_rollback(struct control_conn *conn, const struct control_args *args)
{
	const struct reload_waiter waiter = { on_verdict, conn };
	char who[64];

	(void)args;
	control_client_name(conn, who, sizeof(who));
	control_wait(conn, stop_waiting);
	reload_rollback(conn->subject->reload, who, &waiter);
}

static void
set_drained(struct control_conn *conn, const struct control_args *args, bool on)
{
	const struct reload_waiter waiter = { on_verdict, conn };
	char who[64];

	control_client_name(conn, who, sizeof(who));
	control_wait(conn, stop_waiting);
	reload_drain(conn->subject->reload,
	    json_string_value(args->of[CONTROL_DRAIN_LISTENER]), on, who,
	    &waiter);
}

static void
run_drain(struct control_conn *conn, const struct control_args *args)
{
	set_drained(conn, args, true);
}

static void
run_undrain(struct control_conn *conn, const struct control_args *args)
{
	set_drained(conn, args, false);
}

static void
on_upgrade_refused(void *arg, const char *lines, const char *verdict)
{
	control_reply(arg,
	    json_pack("{s:b, s:o, s:o}", "ok", 0, "problems",
		control_lines(lines, strchr(lines, '\0')), "verdict",
		json_text(verdict)));
}

static void
stop_waiting_for_upgrade(struct control_conn *conn)
{
	upgrade_forget(conn->subject->upgrade, conn);
}

static void
run_upgrade(struct control_conn *conn, const struct control_args *args)
{
	const struct upgrade_waiter waiter = { on_upgrade_refused, conn,
		conn->fd };
	char who[64];

	(void)args;
	control_client_name(conn, who, sizeof(who));
	control_wait(conn, stop_waiting_for_upgrade);
	upgrade_request(conn->subject->upgrade, who, &waiter);
}

static void
add_crash(void *arg, const struct crash *crash)
{
	json_t *list = arg;

	json_array_append_new(list,
	    json_pack("{s:o, s:I, s:I, s:I, s:o, s:I, s:o}", "time",
		time_value(crash->time_ms), "worker",
		(json_int_t)crash->worker + 1, "pid", (json_int_t)crash->pid,
		"generation", (json_int_t)crash->generation, "how",
		json_text(crash->how), "connections",
		(json_int_t)crash->connections, "report",
		json_text(crash->text)));
}

static void
run_crashes(struct control_conn *conn, const struct control_args *args)
{
	const struct crashes *crashes = conn->subject->crashes;
	json_t *list = json_array();

	(void)args;
	if (list != NULL)
		crashes_each(crashes, add_crash, list);
	control_reply(conn,
	    json_pack("{s:I, s:o}", "count", (json_int_t)crashes_count(crashes),
		"crashes", list));
}

static void
run_log_level(struct control_conn *conn, const struct control_args *args)
{
	const char *word = json_string_value(args->of[CONTROL_LOG_LEVEL_LEVEL]);
	const struct key_word *level = log_level_words;

	while (level->name != NULL && strcmp(level->name, word) != 0)
		level++;
	if (level->name == NULL) {
		control_fail(conn,
		    "there is no level \"%.32s\": it is one of error, warn, "
		    "info and debug",
		    word);
		return;
	}
	event_log(EVENT_COMMAND, LOG_LEVEL_INFO,
	    "control socket, uid %u, process %d: logging at level %s "
	    "until the next reload",
	    (unsigned int)conn->uid, (int)conn->pid, level->name);
	log_set_level((enum log_level)level->value);
	workers_set_log_level(conn->subject->workers, (int)level->value);
	control_reply(conn, json_pack("{s:s}", "level", level->name));
}

static void (*const handlers[CONTROL_COMMANDS])(struct control_conn *conn,
    const struct control_args *args) = {
	[CONTROL_STATUS] = control_status,
	[CONTROL_RELOAD] = run_reload,
	[CONTROL_CONFIG] = control_config,
	[CONTROL_DIFF] = control_diff,
	[CONTROL_EVENTS] = control_events,
	[CONTROL_GENERATIONS] = control_generations,
	[CONTROL_ROLLBACK] = run_rollback,
	[CONTROL_CRASHES] = run_crashes,
	[CONTROL_CONNS] = control_conns,
	[CONTROL_KILL] = control_kill,
	[CONTROL_METRICS] = control_status,
	[CONTROL_LOG_LEVEL] = run_log_level,
	[CONTROL_DRAIN] = run_drain,
	[CONTROL_UNDRAIN] = run_undrain,
	[CONTROL_WORKERS] = control_workers,
	[CONTROL_UPGRADE] = run_upgrade,
};

static bool
are_numbers(const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++)
		if (json_integer_value(json_array_get(value, i)) <= 0)
			return false;
	return json_is_array(value) &&
	    json_array_size(value) <= CONTROL_NUMBERS_MAX;
}

_Static_assert(CONTROL_NUMBERS_MAX == 200, "the message says so");

/* What the value of an option must be; NULL: it is that. */
static const char *
what_is_wrong(const struct control_option *option, const json_t *value)
{
	switch (option->kind) {
	case CONTROL_FLAG:
		return json_is_boolean(value) ? NULL : "true or false";
	case CONTROL_TEXT:
		return json_is_string(value) ? NULL : "a string";
	case CONTROL_NUMBERS:
		return are_numbers(value)
		    ? NULL
		    : "a list of at most 200 numbers above 0";
	case CONTROL_NUMBER:
		return json_is_integer(value) && json_integer_value(value) >= 0
		    ? NULL
		    : "a number that is not negative";
	}
	return NULL;
}

/* Returns false after saying what is wrong. */
static bool
read_option(struct control_conn *conn, enum control_command command,
    const char *name, const json_t *value, struct control_args *ret)
{
	int place = control_option(command, name);
	const char *expected;

	if (place == -1) {
		control_fail(conn, "%s: there is no option \"%s\"",
		    control_words[command].name, name);
		return false;
	}
	expected = what_is_wrong(&control_words[command].options[place], value);
	if (expected != NULL) {
		control_fail(conn, "%s: \"%s\" must be %s",
		    control_words[command].name, name, expected);
		return false;
	}
	if (!json_is_false(value))
		ret->of[place] = value;
	return true;
}

/* The same. */
static bool
read_options(struct control_conn *conn, json_t *request,
    enum control_command command, struct control_args *ret)
{
	const struct control_option *options = control_words[command].options;
	const char *name;
	json_t *value;

	json_object_foreach(request, name, value) {
		if (strcmp(name, "command") != 0 &&
		    !read_option(conn, command, name, value, ret))
			return false;
	}
	for (unsigned int i = 0; i < CONTROL_OPTIONS_MAX; i++) {
		if (options[i].needed && ret->of[i] == NULL) {
			control_fail(conn, "%s: \"%s\" is missing",
			    control_words[command].name, options[i].name);
			return false;
		}
	}
	return true;
}

static void
run_request(struct control_conn *conn, json_t *request)
{
	const char *name =
	    json_string_value(json_object_get(request, "command"));
	struct control_args args = { { NULL } };
	enum control_command command;

	if (name == NULL) {
		control_fail(conn,
		    "expected an object with a \"command\", such "
		    "as {\"command\": \"status\"}");
		return;
	}
	command = control_command(name);
	if (command == CONTROL_COMMANDS || control_words[command].ours)
		control_fail(conn,
		    "there is no command \"%.64s\" in sluiced " PACKAGE_VERSION,
		    name);
	else if (conn->on_question != NULL && !control_words[command].on_page)
		control_fail(conn, "the status process may not ask for %s",
		    name);
	else if (read_options(conn, request, command, &args))
		handlers[command](conn, &args);
}

void
control_run(struct control_conn *conn, const char *line, size_t length)
{
	json_error_t why;
	json_t *request;

	request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &why);
	if (request == NULL) {
		control_fail(conn, "the request is not a line of JSON: %s",
		    why.text);
		return;
	}
	run_request(conn, request);
	json_decref(request);
}

/*
 * control_events.c: clients that follow what happens.  Each has room for a few
 * hundred events that it has not read yet.  Those that find no room are counted,
 * and the client is told how many when it has read the others.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/json_text.h"
#include "base/time_text.h"
#include "config/keys.h"
#include "master/control.h"
#include "master/control_conn.h"
#include "master/events.h"

#define FOLLOWERS_MAX 16 /* of the clients that the socket serves at once */

struct follower {
	TAILQ_ENTRY(follower) link;
	struct control_conn *conn;
	unsigned int kinds; /* a bit for each */
	uint64_t lost;	    /* events that found no room */
};

/* As there is one place to follow: see events.h. */
static TAILQ_HEAD(, follower) followers = TAILQ_HEAD_INITIALIZER(followers);
static unsigned int follower_count;

static json_t *
time_now(void)
{
	char text[TIME_TEXT_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return json_string(time_text((uint64_t)now.tv_sec * 1000 +
		(uint64_t)now.tv_nsec / 1000000,
	    text));
}

static const char *
level_name(enum log_level level)
{
	const struct key_word *word = log_level_words;

	while (word->name != NULL && word->value != (int64_t)level)
		word++;
	return word->name;
}

static void
add_text(json_t *object, const char *name, const char *text)
{
	if (text != NULL && *text != '\0')
		json_object_set_new(object, name, json_text(text));
}

static void
add_number(json_t *object, const char *name, uint64_t number)
{
	if (number != 0)
		json_object_set_new(object, name,
		    json_integer((json_int_t)number));
}

static void
add_lines(json_t *object, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(object, name,
		    control_lines(text, text + strlen(text)));
}

static json_t *
event_object(const struct event *event)
{
	json_t *object = json_pack("{s:o, s:s, s:s, s:o}", "time", time_now(),
	    "kind", event_name(event->kind), "level", level_name(event->level),
	    "text", json_text(event->text));

	add_number(object, "worker", event->worker);
	add_number(object, "pid", (uint64_t)event->pid);
	add_number(object, "generation", event->generation);
	add_text(object, "listener", event->listener);
	add_text(object, "plugin", event->plugin);
	add_text(object, "callback", event->callback);
	add_number(object, "ms", event->ms);
	add_number(object, "connections", event->lost);
	add_lines(object, "report", event->report);
	add_lines(object, "problems", event->problems);
	add_lines(object, "changes", event->changes);
	return object;
}

/* A line with its newline, owned by the caller.  NULL: no memory. */
static char *
line_of(json_t *object, size_t *ret_length)
{
	char *line = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	if (line == NULL)
		return NULL;
	*ret_length = strlen(line);
	line[(*ret_length)++] = '\n'; /* where the NUL was */
	return line;
}

static void
tell_lost(struct control_conn *conn)
{
	struct follower *follower = conn->waits_for;
	size_t length;
	char *line;

	if (follower->lost == 0)
		return;
	line = line_of(json_pack("{s:o, s:s, s:s, s:I}", "time", time_now(),
			   "kind", "lost", "level", "warn", "count",
			   (json_int_t)follower->lost),
	    &length);
	if (line != NULL && control_push(conn, line, length) == 0)
		follower->lost = 0;
	free(line);
}

/*
 * In order: when one is lost, so are all others until that was told, when the
 * client has taken what waits for it.  If it has, memory ran out, and nothing
 * else will call tell_lost().
 */
static void
on_event(void *arg, const struct event *event)
{
	struct follower *follower;
	char *line = NULL;
	size_t length = 0;

	(void)arg;
	TAILQ_FOREACH(follower, &followers, link) {
		if (!(follower->kinds & 1u << event->kind))
			continue;
		if (follower->lost > 0 && control_has_sent(follower->conn))
			tell_lost(follower->conn);
		if (line == NULL)
			line = line_of(event_object(event), &length);
		if (line == NULL || follower->lost > 0 ||
		    control_push(follower->conn, line, length) == -1)
			follower->lost++;
	}
	free(line);
}

static void
cancel(struct control_conn *conn)
{
	struct follower *follower = conn->waits_for;

	TAILQ_REMOVE(&followers, follower, link);
	if (--follower_count == 0)
		events_follow(NULL, NULL);
	free(follower);
}

/* "crash,slow"; NULL: all.  0: one does not exist, and the client was told. */
static unsigned int
kinds_of(struct control_conn *conn, const char *names)
{
	unsigned int kinds = 0;
	enum event_kind kind;
	size_t length;

	if (names == NULL)
		return (1u << EVENT_KINDS) - 1;
	for (;; names += length + 1) {
		length = strcspn(names, ",");
		kind = event_named(names, length);
		if (kind == EVENT_KINDS) {
			control_fail(conn,
			    "there is no kind \"%.*s\" of events; name one of "
			    "%s, or several with commas",
			    length < 32 ? (int)length : 32, names,
			    control_words[CONTROL_EVENTS]
				.options[CONTROL_EVENTS_KIND]
				.value);
			return 0;
		}
		kinds |= 1u << kind;
		if (names[length] == '\0')
			return kinds;
	}
}

static json_t *
kind_names(unsigned int kinds)
{
	json_t *array = json_array();

	for (enum event_kind kind = 0; kind < EVENT_KINDS; kind++)
		if (kinds & 1u << kind)
			json_array_append_new(array,
			    json_string(event_name(kind)));
	return array;
}

/* The first line says that all went well. */
static void
begin(struct control_conn *conn, struct follower *follower)
{
	size_t length;
	char *line = line_of(json_pack("{s:b, s:o}", "ok", 1, "kinds",
				 kind_names(follower->kinds)),
	    &length);

	if (line == NULL || control_push(conn, line, length) == -1) {
		free(follower);
		control_fail(conn, "out of memory; try again later");
	} else {
		TAILQ_INSERT_TAIL(&followers, follower, link);
		if (follower_count++ == 0)
			events_follow(on_event, NULL);
		conn->waits_for = follower;
		control_follow(conn, cancel, tell_lost);
	}
	free(line);
}

void
control_events(struct control_conn *conn, const struct control_args *args)
{
	const char *names = json_string_value(args->of[CONTROL_EVENTS_KIND]);
	unsigned int kinds = kinds_of(conn, names);
	struct follower *follower;

	if (kinds == 0)
		return;
	if (follower_count == FOLLOWERS_MAX) {
		control_fail(conn,
		    "%d clients follow events already, which is the most",
		    FOLLOWERS_MAX);
		return;
	}
	follower = calloc(1, sizeof(*follower));
	if (follower == NULL) {
		control_fail(conn, "out of memory; try again later");
		return;
	}
	follower->conn = conn;
	follower->kinds = kinds;
	begin(conn, follower);
}

/* check_control_events.c: a client that follows events, when memory runs out. */

#include "fixture.h"

#include <event2/event.h>
#include <jansson.h>
#include <sys/socket.h>

#include "master/control.h"
#include "master/control_conn.h"
#include "master/events.h"

static struct event_base *base;
static const struct control_subject subject; /* nothing may be looked at */
static struct control_conn *conn;
static int fd;
static bool out_of_memory;

static void *
allocate(size_t size)
{
	return out_of_memory ? NULL : malloc(size);
}

static void
on_gone(void *arg, struct control_conn *of)
{
	(void)arg;
	(void)of;
}

/* The next line, owned. */
static json_t *
hear(void)
{
	char line[4096];
	size_t length = 0;
	json_t *json;
	ssize_t got;

	while (length == 0 || line[length - 1] != '\n') {
		got = recv(fd, line + length, 1, 0);
		ck_assert_int_ne(got, 0);
		if (got == 1)
			length++;
		else
			ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	}
	json = json_loadb(line, length, 0, NULL);
	ck_assert_ptr_nonnull(json);
	return json;
}

static void
expect(const char *kind, json_int_t count, const char *text)
{
	json_t *line = hear();

	ck_assert_str_eq(json_string_value(json_object_get(line, "kind")),
	    kind);
	ck_assert_int_eq(json_integer_value(json_object_get(line, "count")),
	    count);
	if (text != NULL)
		ck_assert_str_eq(
		    json_string_value(json_object_get(line, "text")), text);
	json_decref(line);
}

static void
tell(const char *text)
{
	event_tell(&(struct event){
	    .kind = EVENT_COMMAND,
	    .level = LOG_LEVEL_INFO,
	    .text = text,
	});
}

static void
begin(void)
{
	static const char request[] = "{\"command\":\"events\"}\n";
	json_t *first;
	int pair[2];

	json_set_alloc_funcs(allocate, free);
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	base = event_base_new();
	fd = pair[1];
	conn = control_conn_new(base, pair[0], &subject, on_gone, NULL);
	ck_assert_ptr_nonnull(conn);
	ck_assert_int_eq(send(fd, request, strlen(request), 0),
	    (int)strlen(request));
	first = hear();
	ck_assert(json_is_true(json_object_get(first, "ok")));
	json_decref(first);
}

static void
end(void)
{
	control_conn_free(conn);
	close(fd);
	event_base_free(base);
}

START_TEST(what_memory_did_not_suffice_for_is_counted_and_told)
{
	begin();
	tell("first");
	expect("command", 0, "first");
	event_base_loop(base, EVLOOP_NONBLOCK);
	out_of_memory = true;
	tell("lost");
	tell("lost");
	out_of_memory = false;
	tell("next");
	expect("lost", 2, NULL);
	expect("command", 0, "next");
	end();
}
END_TEST

START_TEST(what_waits_comes_before_the_count)
{
	begin();
	tell("waits");
	out_of_memory = true;
	tell("lost");
	out_of_memory = false;
	tell("after a loss"); /* in order, so it is lost as well */
	expect("command", 0, "waits");
	expect("lost", 2, NULL);
	tell("next");
	expect("command", 0, "next");
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_memory_did_not_suffice_for_is_counted_and_told,
		what_waits_comes_before_the_count,
		NULL,
	};

	return fixture_run("control_events", tests);
}

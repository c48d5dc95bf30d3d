/*
 * check_control_stay.c: what the status process can do over the socket that the
 * master gave it, if it is taken over by what it reads.
 */

#include "fixture.h"

#include <event2/event.h>
#include <jansson.h>
#include <sys/socket.h>

#include "master/control.h"
#include "master/control_conn.h"

static struct event_base *base;
static const struct control_subject subject; /* nothing may be looked at */
static struct control_conn *conn;
static unsigned int questions, gone;
static int fd;

static void
on_gone(void *arg, struct control_conn *of)
{
	(void)arg;
	(void)of;
	gone++;
}

static void
on_question(void *arg)
{
	(void)arg;
	questions++;
}

static void
setup(void)
{
	int pair[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	base = event_base_new();
	fd = pair[1];
	conn = control_conn_new(base, pair[0], &subject, on_gone, NULL);
	ck_assert_ptr_nonnull(conn);
	control_conn_stay(conn, on_question);
}

/* The answer to this line, owned. */
static json_t *
ask(const char *line)
{
	static char answer[4096];
	size_t length = 0;
	json_t *json;
	ssize_t got;

	ck_assert_int_eq(send(fd, line, strlen(line), 0), strlen(line));
	while (length == 0 || answer[length - 1] != '\n') {
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
		got = recv(fd, answer + length, sizeof(answer) - length, 0);
		ck_assert_int_ne(got, 0);
		length += got > 0 ? (size_t)got : 0;
	}
	json = json_loadb(answer, length, 0, NULL);
	ck_assert_ptr_nonnull(json);
	return json;
}

static void
expect_refusal(const char *line, const char *why)
{
	json_t *answer = ask(line);

	ck_assert(json_is_false(json_object_get(answer, "ok")));
	ck_assert_msg(
	    strstr(json_string_value(json_object_get(answer, "error")), why) !=
		NULL,
	    "%s: %s", line,
	    json_string_value(json_object_get(answer, "error")));
	json_decref(answer);
}

START_TEST(it_can_only_look)
{
	unsigned int refused = 0;
	char line[64];

	for (unsigned int i = 0; i < CONTROL_COMMANDS; i++) {
		if (control_words[i].on_page)
			continue;
		snprintf(line, sizeof(line), "{\"command\":\"%s\"}\n",
		    control_words[i].name);
		expect_refusal(line,
		    control_words[i].ours
			? "there is no command"
			: "the status process may not ask for");
		refused++;
	}
	ck_assert_uint_eq(questions, refused);
	ck_assert_uint_eq(gone, 0);
}
END_TEST

START_TEST(what_it_may_ask_changes_nothing)
{
	for (unsigned int i = 0; i < CONTROL_COMMANDS; i++)
		ck_assert_int_eq(control_words[i].on_page,
		    i == CONTROL_STATUS || i == CONTROL_CRASHES);
}
END_TEST

START_TEST(nonsense_is_answered_and_it_may_ask_again)
{
	expect_refusal("\n", "not a line of JSON");
	expect_refusal("{\"command\":17}\n", "expected an object");
	expect_refusal("{\"command\":\"fly\"}\n", "there is no command");
}
END_TEST

START_TEST(a_question_without_an_end_is_not_waited_for)
{
	char line[CONTROL_REQUEST_MAX];

	memset(line, 'x', sizeof(line));
	ck_assert_int_eq(send(fd, line, sizeof(line), 0), sizeof(line));
	expect_refusal("", "the request is longer than");
}
END_TEST

START_TEST(it_leaves)
{
	shutdown(fd, SHUT_WR);
	while (gone == 0)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		it_can_only_look,
		what_it_may_ask_changes_nothing,
		nonsense_is_answered_and_it_may_ask_again,
		a_question_without_an_end_is_not_waited_for,
		it_leaves,
		NULL,
	};

	return fixture_run_in("control_stay", tests, setup);
}

/*
 * check_control_client.c: what a client of the control socket can rely on,
 * whatever answers there.
 */

#include <linux/sockios.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "control_fixture.h"

static void
serve_back(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX], back[CONTROL_REQUEST_MAX + 64];

	(void)number;
	hear(fd, line);
	snprintf(back, sizeof(back), "{\"ok\": true, \"asked\": %s}\n", line);
	say(fd, back);
}

START_TEST(a_request_is_one_line_of_json)
{
	static const struct {
		enum control_command command;
		struct control_values values;
		const char *line;
	} all[] = {
		{ CONTROL_STATUS, { { NULL } }, "{\"command\": \"status\"}" },
		{ CONTROL_RELOAD, { { [CONTROL_RELOAD_FORCE] = "" } },
		    "{\"command\": \"reload\", \"force\": true}" },
		{ CONTROL_RELOAD,
		    { { [CONTROL_RELOAD_WAIT] = "",
			[CONTROL_RELOAD_FORCE] = "" } },
		    "{\"command\": \"reload\", \"wait\": true, \"force\": true}" },
	};
	struct control_request request;
	json_t *expected;

	start(serve_back);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		request = request_for(all[i].command, &all[i].values);
		ck_assert_int_eq(control_ask(&request, &answer, &err), 0);
		ck_assert_int_eq(answer.outcome, CONTROL_DONE);
		expected = json_loads(all[i].line, 0, NULL);
		ck_assert(json_equal(json_object_get(answer.json, "asked"),
		    expected));
		json_decref(expected);
		control_answer_done(&answer);
	}
	stop();
}
END_TEST

static const char *shared_path;

/* Returns NULL when all went well. */
static void *
ask_often(void *arg)
{
	enum control_command command = *(enum control_command *)arg;
	const struct control_request request = {
		.socket = shared_path,
		.command = command,
		.enter_ms = LONG_MS,
		.answer_ms = LONG_MS,
	};
	struct control_answer own;
	struct error why;
	const json_t *asked;

	for (unsigned int i = 0; i < 50; i++) {
		if (control_ask(&request, &own, &why) == -1)
			return arg;
		asked = json_object_get(own.json, "asked");
		if (strcmp(json_string_value(json_object_get(asked, "command")),
			control_words[command].name) != 0)
			return arg;
		control_answer_done(&own);
	}
	return NULL;
}

START_TEST(threads_may_ask_at_the_same_time)
{
	static enum control_command commands[CONTROL_COMMANDS];
	pthread_t threads[CONTROL_COMMANDS];
	void *failed;

	start(serve_back);
	shared_path = fixture_path("socket");
	for (unsigned int i = 0; i < CONTROL_COMMANDS; i++) {
		commands[i] = (enum control_command)i;
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, ask_often, &commands[i]),
		    0);
	}
	for (unsigned int i = 0; i < CONTROL_COMMANDS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	stop();
}
END_TEST

START_TEST(only_commands_with_a_verdict_wait)
{
	static const struct control_values none,
	    force = { { [CONTROL_RELOAD_FORCE] = "" } },
	    wait = { { [CONTROL_RELOAD_WAIT] = "" } };

	ck_assert(!control_waits(CONTROL_STATUS, &none));
	ck_assert(!control_waits(CONTROL_GENERATIONS, &none));
	ck_assert(!control_waits(CONTROL_CRASHES, &none));
	ck_assert(!control_waits(CONTROL_RELOAD, &force));
	ck_assert(control_waits(CONTROL_RELOAD, &wait));
	ck_assert(control_waits(CONTROL_ROLLBACK, &none));
	ck_assert(control_waits(CONTROL_DIFF, &none));
}
END_TEST

static void
serve_outcomes(int fd, unsigned int number)
{
	static const char *const lines[] = {
		"{\"ok\":false,\"error\":\"no\"}\n",
		"{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n",
		"{\"ok\":true,\"denied\":1}\n",
	};
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	say(fd, lines[number]);
}

START_TEST(an_answer_has_its_outcome)
{
	start(serve_outcomes);
	expect_answer(CONTROL_REFUSED, "{\"ok\":false,\"error\":\"no\"}\n");
	control_answer_done(&answer);
	expect_answer(CONTROL_DENIED,
	    "{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n");
	control_answer_done(&answer);
	expect_answer(CONTROL_DONE, "{\"ok\":true,\"denied\":1}\n");
	stop();
}
END_TEST

/* The client has to read each byte separately. */
static void
serve_bytes(int fd, unsigned int number)
{
	const char *p = "{\"ok\": true, \"generation\": 4}\n";
	char line[CONTROL_REQUEST_MAX];
	int left;

	(void)number;
	hear(fd, line);
	for (; *p != '\0'; p++) {
		send(fd, p, 1, 0);
		while (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0)
			poll(NULL, 0, 1);
	}
	stay(fd);
}

START_TEST(an_answer_in_pieces_is_whole_at_its_newline)
{
	/* The server does not close, so only the newline ends the answer. */
	start(serve_bytes);
	expect_answer(CONTROL_DONE, "{\"ok\": true, \"generation\": 4}\n");
	ck_assert_int_eq(
	    json_integer_value(json_object_get(answer.json, "generation")), 4);
	stop();
}
END_TEST

START_TEST(signals_interrupt_nothing)
{
	start(serve_bytes);
	set_alarm(1000);
	expect_answer(CONTROL_DONE, "{\"ok\": true, \"generation\": 4}\n");
	set_alarm(0);
	stop();
}
END_TEST

static void
serve_two_lines(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	(void)number;
	hear(fd, line);
	say(fd, "{\"ok\":true}\n{\"ok\":false}\n");
}

START_TEST(the_first_line_is_the_answer)
{
	start(serve_two_lines);
	expect_answer(CONTROL_DONE, "{\"ok\":true}\n");
	stop();
}
END_TEST

#define LARGE (3u << 20)

static void
serve_large(int fd, unsigned int number)
{
	static char text[LARGE + 1];
	char line[CONTROL_REQUEST_MAX];

	(void)number;
	memset(text, ' ', LARGE);
	memcpy(text, "{\"ok\":true", 10);
	text[LARGE - 2] = '}';
	text[LARGE - 1] = '\n';
	hear(fd, line);
	say(fd, text);
}

START_TEST(a_large_answer_is_taken_whole)
{
	start(serve_large);
	ck_assert_msg(ask(LONG_MS, LONG_MS) == 0, "%s", err.text);
	ck_assert_uint_eq(answer.length, LARGE);
	ck_assert_uint_eq(strlen(answer.text), LARGE);
	stop();
}
END_TEST

static void
serve_without_end(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX], text[4096];

	(void)number;
	memset(text, 'x', sizeof(text));
	hear(fd, line);
	while (send(fd, text, sizeof(text), 0) > 0)
		;
}

START_TEST(too_long_an_answer_is_given_up)
{
	start(serve_without_end);
	expect_none(LONG_MS, CONTROL_NO_LIMIT, EPROTO,
	    "too long an answer from");
	stop();
}
END_TEST

static const char *const nonsense[] = { "\n", "x\n", "{\n", "[]\n", "null\n",
	"{}\n", "{\"ok\":1}\n", "{\"ok\":\"true\"}\n", "{\"ok\":true} {}\n",
	"{\"ok\":true,\"error\":\"\xff\"}\n", NULL };

static void
serve_nonsense(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	say(fd, nonsense[number]);
}

START_TEST(an_answer_that_is_not_from_sluiced_is_refused)
{
	start(serve_nonsense);
	for (unsigned int i = 0; nonsense[i] != NULL; i++)
		expect_none(LONG_MS, LONG_MS, EPROTO,
		    "cannot understand the answer of");
	stop();
}
END_TEST

static void
serve_half(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	if (number > 0)
		say(fd, "{\"ok\":true}");
}

START_TEST(an_answer_without_newline_is_no_answer)
{
	start(serve_half);
	expect_none(LONG_MS, LONG_MS, EPROTO, "no answer from");
	expect_none(LONG_MS, LONG_MS, EPROTO, "no answer from");
	ck_assert_ptr_nonnull(strstr(err.text, "is it running"));
	ck_assert_ptr_nonnull(strstr(err.text, fixture_path("socket")));
	ck_assert_ptr_nonnull(strstr(err.text, "?  or so"));
	stop();
}
END_TEST

static void
serve_nothing(int fd, unsigned int number)
{
	(void)fd;
	(void)number;
}

static void
serve_unasked(int fd, unsigned int number)
{
	(void)number;
	say(fd, "{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n");
}

START_TEST(a_server_that_closes_at_once_does_no_harm)
{
	/*
	 * In some of these rounds the server closes before it is asked.  There is
	 * no SIGPIPE.
	 */
	start(serve_nothing);
	for (unsigned int i = 0; i < 300; i++) {
		ck_assert_int_eq(ask(LONG_MS, LONG_MS), -1);
		ck_assert_msg(errno == EPROTO || errno == ECONNRESET, "%s",
		    err.text);
	}
	stop();
}
END_TEST

START_TEST(an_answer_before_the_request_is_read)
{
	start(serve_unasked);
	for (unsigned int i = 0; i < 300; i++) {
		expect_answer(CONTROL_DENIED,
		    "{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n");
		control_answer_done(&answer);
	}
	stop();
}
END_TEST

START_TEST(a_missing_server_is_reported_with_the_cause)
{
	static char path[200];
	struct control_request request = request_for(CONTROL_STATUS, NULL);

	start(NULL);
	close(listening);
	expect_none(LONG_MS, LONG_MS, ECONNREFUSED,
	    "Connection refused; is it");
	unlink(request.socket);
	expect_none(LONG_MS, LONG_MS, ENOENT, "No such file");
	ck_assert_ptr_nonnull(strstr(err.text, request.socket));
	ck_assert_ptr_nonnull(strstr(err.text, "?  or so"));

	memset(path, 'x', sizeof(path) - 1);
	request.socket = path;
	request.hint = NULL;
	ck_assert_int_eq(control_ask(&request, &answer, &err), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_int_eq(err.text[strlen(err.text) - 1], '?');
}
END_TEST

static void
serve_mixed(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	switch (number % 4) {
	case 0:
		say(fd, "{\"ok\":true}\n");
		break;
	case 1:
		say(fd, "nonsense\n");
		break;
	case 2:
		stay(fd);
		break;
	case 3:
		break;
	}
}

START_TEST(nothing_stays_open)
{
	unsigned int before;

	start(serve_mixed);
	before = fixture_descriptors();
	for (unsigned int i = 0; i < 8; i++)
		if (ask(LONG_MS, i % 4 == 2 ? 1 : LONG_MS) == 0)
			control_answer_done(&answer);
	ck_assert_uint_eq(fixture_descriptors(), before);
	stop();
}
END_TEST

START_TEST(an_answer_can_be_freed_twice)
{
	start(serve_unasked);
	ck_assert_int_eq(ask(LONG_MS, LONG_MS), 0);
	control_answer_done(&answer);
	control_answer_done(&answer);
	ck_assert_ptr_null(answer.text);
	stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_request_is_one_line_of_json,
		threads_may_ask_at_the_same_time,
		only_commands_with_a_verdict_wait,
		an_answer_has_its_outcome,
		an_answer_in_pieces_is_whole_at_its_newline,
		signals_interrupt_nothing,
		the_first_line_is_the_answer,
		a_large_answer_is_taken_whole,
		too_long_an_answer_is_given_up,
		an_answer_that_is_not_from_sluiced_is_refused,
		an_answer_without_newline_is_no_answer,
		a_server_that_closes_at_once_does_no_harm,
		an_answer_before_the_request_is_read,
		a_missing_server_is_reported_with_the_cause,
		nothing_stays_open,
		an_answer_can_be_freed_twice,
		NULL,
	};

	return fixture_run("control_client", tests);
}

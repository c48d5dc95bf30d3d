/*
 * check_control_follow.c: an answer of many lines, as to `events`, whatever
 * sends them.
 */

#include "control_fixture.h"

#define LINES_MAX 8

static char heard[LINES_MAX][128];
static unsigned int heard_count, heard_most;

static bool
on_line(void *arg, const json_t *json, const char *text)
{
	ck_assert_ptr_eq(arg, heard);
	ck_assert(json_is_object(json));
	ck_assert_uint_lt(heard_count, LINES_MAX);
	snprintf(heard[heard_count++], sizeof(heard[0]), "%s", text);
	return heard_count < heard_most;
}

static int
follow(unsigned int most, uint32_t answer_ms)
{
	struct control_request request = request_for(CONTROL_EVENTS, NULL);

	heard_count = 0;
	heard_most = most;
	request.answer_ms = answer_ms;
	return control_ask_on(&request, on_line, heard, &err);
}

static void
expect_end(unsigned int lines, const char *part)
{
	ck_assert_int_eq(follow(LINES_MAX, LONG_MS), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
	ck_assert_uint_eq(heard_count, lines);
}

static const char *script; /* what is sent, in one piece or byte by byte */
static bool slowly;

static void
serve_script(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	(void)number;
	hear(fd, line);
	if (!slowly)
		say(fd, script);
	for (const char *p = script; slowly && *p != '\0'; p++) {
		send(fd, p, 1, 0);
		poll(NULL, 0, 1);
	}
}

#define THREE "{\"ok\":true}\n{\"a\":1}\n{\"b\":\"x\"}\n"

static void
three_lines(void)
{
	ck_assert_str_eq(heard[0], "{\"ok\":true}\n");
	ck_assert_str_eq(heard[1], "{\"a\":1}\n");
	ck_assert_str_eq(heard[2], "{\"b\":\"x\"}\n");
}

START_TEST(lines_that_come_together_are_told_one_by_one)
{
	script = THREE;
	start(serve_script);
	expect_end(3, "no more from");
	three_lines();
	stop();
}
END_TEST

START_TEST(lines_that_come_in_pieces_are_whole)
{
	script = THREE;
	slowly = true;
	start(serve_script);
	set_alarm(1000);
	expect_end(3, "no more from");
	set_alarm(0);
	three_lines();
	stop();
	slowly = false;
}
END_TEST

START_TEST(whoever_has_heard_enough_is_told_no_more)
{
	script = THREE;
	start(serve_script);
	ck_assert_msg(follow(2, LONG_MS) == 0, "%s", err.text);
	ck_assert_uint_eq(heard_count, 2);
	stop();
}
END_TEST

START_TEST(what_is_not_from_sluiced_ends_it)
{
	script = "{\"ok\":true}\nnonsense\n{\"a\":1}\n";
	start(serve_script);
	expect_end(1, "cannot understand the answer of");
	stop();
	unlink(fixture_path("socket"));
	script = "{\"ok\":true}\n{\"a\":1}";
	start(serve_script);
	expect_end(1, "no more from");
	stop();
	unlink(fixture_path("socket"));
	script = "";
	start(serve_script);
	expect_end(0, "no answer from");
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
	say(fd, "{\"ok\":true}\n");
	while (send(fd, text, sizeof(text), 0) > 0)
		;
}

START_TEST(a_line_without_end_is_given_up)
{
	start(serve_without_end);
	expect_end(1, "too long an answer from");
	stop();
}
END_TEST

static void
serve_first_or_nothing(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	if (number == 1) {
		say(fd, "{\"ok\":true}\n");
		poll(NULL, 0, 2 * SHORT_MS); /* later than the deadline */
		say(fd, "{\"a\":1}\n");
	}
	stay(fd);
}

START_TEST(the_deadline_is_for_the_first_line_alone)
{
	start(serve_first_or_nothing);
	ck_assert_int_eq(follow(2, SHORT_MS), -1);
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_int_eq(follow(2, SHORT_MS), 0);
	ck_assert_str_eq(heard[1], "{\"a\":1}\n");
	stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		lines_that_come_together_are_told_one_by_one,
		lines_that_come_in_pieces_are_whole,
		whoever_has_heard_enough_is_told_no_more,
		what_is_not_from_sluiced_ends_it,
		a_line_without_end_is_given_up,
		the_deadline_is_for_the_first_line_alone,
		NULL,
	};

	return fixture_run("control_follow", tests);
}

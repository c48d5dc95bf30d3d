/*
 * check_control_deadline.c: how long a client of the control socket waits,
 * whatever answers there.
 */

#include "control_fixture.h"

static void
serve_silence(int fd, unsigned int number)
{
	(void)number;
	stay(fd);
}

START_TEST(silence_ends_at_the_deadline)
{
	uint64_t begun = clock_ms();

	start(serve_silence);
	expect_none(LONG_MS, SHORT_MS, ETIMEDOUT, "within 200 ms");
	ck_assert_uint_ge(clock_ms() - begun, SHORT_MS);
	ck_assert_ptr_nonnull(strstr(err.text, "see its log"));
	ck_assert_ptr_null(strstr(err.text, "or so"));
	expect_none(0, 0, ETIMEDOUT, "within 0 s");
	stop();
}
END_TEST

static void
serve_drops(int fd, unsigned int number)
{
	(void)number;
	while (send(fd, " ", 1, 0) == 1)
		poll(NULL, 0, SHORT_MS / 10);
}

START_TEST(the_deadline_is_for_the_whole_answer)
{
	start(serve_drops);
	expect_none(LONG_MS, SHORT_MS, ETIMEDOUT, "no answer from");
	stop();
}
END_TEST

static int asleep[2] = { -1, -1 };

/*
 * Replaces the C library's.  When `asleep` is set it wakes the server, and
 * returns only when there is an answer and the deadline has passed, as if this
 * process had been stopped meanwhile.
 */
int
poll(struct pollfd *fds, nfds_t count, int ms)
{
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
	uint64_t until = clock_ms() + (uint64_t)ms;

	if (asleep[1] == -1)
		return ppoll(fds, count, ms < 0 ? NULL : &limit, NULL);
	ck_assert_int_eq(write(asleep[1], "", 1), 1);
	ck_assert_int_eq(ppoll(fds, count, NULL, NULL), 1);
	while (clock_ms() <= until) /* it is the deadline that has to pass */
		usleep(1000);
	return 0;
}

static void
serve_sleeper(int fd, unsigned int number)
{
	char byte;

	(void)number;
	if (read(asleep[0], &byte, 1) == 1)
		say(fd, "{\"ok\":true}\n");
	stay(fd);
}

START_TEST(an_answer_in_time_counts_even_if_it_is_read_late)
{
	ck_assert_int_eq(pipe(asleep), 0);
	start(serve_sleeper);
	ck_assert_msg(ask(LONG_MS, 5 * SHORT_MS) == 0, "%s", err.text);
	ck_assert_str_eq(answer.text, "{\"ok\":true}\n");
	stop();
}
END_TEST

#define BUSY "{\"ok\":false,\"busy\":true,\"error\":\"too many\"}\n"

static void
serve_busy_twice(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	if (number < 2) {
		say(fd, BUSY);
		return;
	}
	hear(fd, line);
	say(fd, "{\"ok\":true}\n");
}

static void
serve_busy(int fd, unsigned int number)
{
	char text[128];

	snprintf(text, sizeof(text),
	    "{\"ok\":false,\"busy\":true,\"error\":\"too many\",\"number\":%u}\n",
	    number);
	say(fd, text);
}

START_TEST(a_busy_server_is_asked_again)
{
	start(serve_busy_twice);
	expect_answer(CONTROL_DONE, "{\"ok\":true}\n");
	stop();
}
END_TEST

START_TEST(a_server_that_stays_busy_is_reported_as_busy)
{
	uint64_t begun = clock_ms();
	json_int_t number;

	start(serve_busy);
	ck_assert_int_eq(ask(0, LONG_MS), 0);
	ck_assert_int_eq(answer.outcome, CONTROL_BUSY);
	number = json_integer_value(json_object_get(answer.json, "number"));
	ck_assert_int_eq(number, 0);
	control_answer_done(&answer);

	ck_assert_int_eq(ask(SHORT_MS, LONG_MS), 0);
	ck_assert_int_eq(answer.outcome, CONTROL_BUSY);
	number = json_integer_value(json_object_get(answer.json, "number"));
	ck_assert_int_ge(number, 1);
	ck_assert_uint_ge(clock_ms() - begun, SHORT_MS);
	stop();
}
END_TEST

START_TEST(a_server_that_accepts_nobody_ends_at_the_deadline)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, rc;

	start(NULL);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s",
	    fixture_path("socket"));
	do {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		rc = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} while (rc == 0);
	ck_assert_int_eq(errno, EAGAIN);
	expect_none(SHORT_MS, LONG_MS, ETIMEDOUT, "cannot reach");
	ck_assert_ptr_nonnull(strstr(err.text, "within 200 ms"));
	expect_none(0, LONG_MS, ETIMEDOUT, "cannot reach");
	set_alarm(1000);
	expect_none(SHORT_MS, LONG_MS, ETIMEDOUT, "cannot reach");
	set_alarm(0);
	stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		silence_ends_at_the_deadline,
		the_deadline_is_for_the_whole_answer,
		an_answer_in_time_counts_even_if_it_is_read_late,
		a_busy_server_is_asked_again,
		a_server_that_stays_busy_is_reported_as_busy,
		a_server_that_accepts_nobody_ends_at_the_deadline,
		NULL,
	};

	return fixture_run("control_deadline", tests);
}

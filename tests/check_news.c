/*
 * check_news.c: the questions of the status process, and what it makes of
 * whatever the master says, or does not say.
 */

#include "fixture.h"

#include <event2/event.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "status/news.h"

static struct event_base *base;
static unsigned int news_count, point_count;
static int master;

static void
on_news(void *arg)
{
	(void)arg;
	news_count++;
}

static void
on_point(void *arg)
{
	(void)arg;
	point_count++;
}

static void
on_lost(void *arg)
{
	(void)arg;
	event_base_loopbreak(base);
}

static const struct news_ops ops = { on_news, on_point, on_lost };

/* Its first question is on its way. */
static void
setup(void)
{
	int pair[2];

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	base = event_base_new();
	master = pair[0];
	ck_assert_int_eq(news_init(base, &ops, NULL), 0);
	ck_assert_ptr_nonnull(news_last()->trouble);
	ck_assert_int_eq(news_connect(pair[1]), 0);
}

static void
expect_question(const char *line)
{
	char question[128];
	ssize_t got = recv(master, question, sizeof(question) - 1, 0);

	ck_assert_int_gt(got, 0);
	question[got] = '\0';
	ck_assert_str_eq(question, line);
}

static void
expect_silence(void)
{
	char byte;

	ck_assert_int_eq(recv(master, &byte, 1, 0), -1);
}

static void
say(const char *text)
{
	unsigned int before = news_count;

	ck_assert_int_eq(send(master, text, strlen(text), 0), strlen(text));
	while (news_count == before && !event_base_got_break(base) &&
	    strchr(text, '\n') != NULL)
		ck_assert_int_ne(event_base_loop(base, EVLOOP_ONCE), -1);
}

#define STATUS "{\"command\":\"status\"}\n"
#define CRASHES "{\"command\":\"crashes\"}\n"

START_TEST(one_question_at_a_time_and_one_a_second)
{
	expect_question(STATUS);
	ck_assert(!news_want());
	ck_assert(!news_want());
	expect_silence();
	say("{\"ok\":true,\"crashes\":0,\"generation\":7}\n");
	ck_assert_ptr_null(news_last()->trouble);
	ck_assert_int_eq(json_integer_value(json_object_get(news_last()->status,
			     "generation")),
	    7);
	ck_assert_uint_eq(news_last()->number, 1);
	ck_assert_uint_eq(news_last()->length, 39);
	ck_assert_uint_eq(point_count, 1);
	ck_assert(news_want());
	expect_silence();
	news_done();
}
END_TEST

START_TEST(crashes_are_asked_for_when_there_are_more)
{
	expect_question(STATUS);
	ck_assert_int_eq(send(master, "{\"ok\":true,\"crashes\":2}\n", 24, 0),
	    24);
	ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_uint_eq(news_count, 0);
	expect_question(CRASHES);
	say("{\"ok\":true,\"count\":2,\"crashes\":[]}\n");
	ck_assert_uint_eq(news_count, 1);
	ck_assert_ptr_nonnull(news_last()->crashes);
	news_done();
}
END_TEST

START_TEST(an_answer_may_come_in_pieces_and_be_long)
{
	static char text[100000];

	expect_question(STATUS);
	say("{\"ok\":true,\"crashes\":0,\"config\":\"");
	memset(text, 'x', sizeof(text) - 1);
	say(text);
	ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	say("\"}\n");
	ck_assert_ptr_null(news_last()->trouble);
	ck_assert_uint_gt(news_last()->length, sizeof(text));
	news_done();
}
END_TEST

START_TEST(a_master_that_cannot_answer_is_asked_again_later)
{
	expect_question(STATUS);
	say("{\"ok\":false,\"error\":\"sluiced is out of memory\"}\n");
	ck_assert_ptr_nonnull(strstr(news_last()->trouble, "cannot answer"));
	ck_assert_ptr_null(news_last()->status);
	ck_assert(news_want());
	expect_silence();
	ck_assert(!event_base_got_break(base));
	news_done();
}
END_TEST

START_TEST(a_silent_master_is_said_to_be_late_and_may_answer_still)
{
	uint64_t begun = clock_ms();

	expect_question(STATUS);
	while (news_count == 0)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_uint_ge(clock_ms() - begun, NEWS_ANSWER_MS - 10);
	ck_assert_ptr_nonnull(strstr(news_last()->trouble, "does not answer"));
	ck_assert(news_want()); /* nobody waits for it any more */
	expect_silence();
	say("{\"ok\":true,\"crashes\":0}\n");
	ck_assert_ptr_null(news_last()->trouble);
	news_done();
}
END_TEST

START_TEST(without_a_master_it_ends)
{
	expect_question(STATUS);
	shutdown(master, SHUT_RDWR);
	ck_assert_int_eq(event_base_dispatch(base), 0);
	ck_assert(event_base_got_break(base));
	news_done();
}
END_TEST

START_TEST(an_answer_that_was_not_asked_for_ends_it)
{
	expect_question(STATUS);
	say("{\"ok\":true,\"crashes\":0}\n");
	say("{\"ok\":true,\"crashes\":0}\n");
	ck_assert(event_base_got_break(base));
	news_done();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		one_question_at_a_time_and_one_a_second,
		crashes_are_asked_for_when_there_are_more,
		an_answer_may_come_in_pieces_and_be_long,
		a_master_that_cannot_answer_is_asked_again_later,
		a_silent_master_is_said_to_be_late_and_may_answer_still,
		without_a_master_it_ends,
		an_answer_that_was_not_asked_for_ends_it,
		NULL,
	};

	return fixture_run_in("news", tests, setup);
}

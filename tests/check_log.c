/* check_log.c: what a line of the log looks like. */

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <event2/event.h>
#include <jansson.h>

#include "base/log_limit.h"
#include "log_fixture.h"
#include "worker/engine.h"

static json_t *
logged_json(void)
{
	json_error_t error;
	json_t *line = json_loads(logged(), 0, &error);

	ck_assert_msg(line != NULL, "%s in: %s", error.text, text);
	return line;
}

static const char *
member(json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

START_TEST(a_line_has_time_level_role_and_message)
{
	capture(0);
	log_info("worker %d started", 1);
	ck_assert_str_eq(logged_line(), "info  master: worker 1 started\n");
	log_warnx("hm");
	ck_assert_str_eq(logged_line(), "warn  master: hm\n");
	errno = ENOENT;
	log_error("cannot open %s", "x");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(logged_line(),
	    "error master: cannot open x: No such file or directory\n");
}
END_TEST

START_TEST(the_level_decides_and_verbose_overrules)
{
	capture(0);
	log_debug("no");
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	log_info("no");
	ck_assert_str_eq(logged(), "");
	log_verbose();
	log_debug("yes");
	ck_assert_str_eq(logged_line(), "debug master: yes\n");
}
END_TEST

START_TEST(a_message_is_one_line_without_control_characters)
{
	capture(0);
	log_info("a\nb\tc\x1b[31m\x7f d");
	ck_assert_str_eq(logged_line(),
	    "info  master: a\\nb\\tc\\x1b[31m\\x7f d\n");
}
END_TEST

START_TEST(what_is_not_printable_utf8_is_escaped)
{
	const struct log_field fields[] = {
		{ "name", "\xff \xc3\xa9\xc2\x9b", 0, false },
	};

	capture(0);
	log_info("h\xc3\xa9 \xe2\x82\xac \xff\xc2 \xc2\x9b"
		 "2J \xed\xa0\x80");
	ck_assert_str_eq(logged_line(),
	    "info  master: h\xc3\xa9 \xe2\x82\xac \\xff\\xc2 "
	    "\\xc2\\x9b2J \\xed\\xa0\\x80\n");
	log_fields(LOG_LEVEL_INFO, "conn 1", fields, 1);
	ck_assert_str_eq(logged_line(),
	    "info  master: conn 1 name=\"\\xff \xc3\xa9\\xc2\\x9b\"\n");
}
END_TEST

START_TEST(fields_follow_the_message)
{
	const struct log_field fields[] = {
		{ "why", "peer", 0, false },
		{ "in", NULL, 512, false },
		{ "name", "a \"b\"\n", 0, false },
		{ "none", "", 0, false },
	};

	capture(0);
	log_fields(LOG_LEVEL_INFO, "conn 17 closed", fields, 4);
	ck_assert_str_eq(logged_line(),
	    "info  master: conn 17 closed why=peer "
	    "in=512 name=\"a \\\"b\\\"\\n\" none=\"\"\n");
}
END_TEST

START_TEST(json_has_the_fields_as_members)
{
	const struct log_field fields[] = {
		{ "why", "peer", 0, false },
		{ "in", NULL, 512, false },
	};
	json_t *line;

	capture(0);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_fields(LOG_LEVEL_WARN, "conn 17 closed", fields, 2);
	line = logged_json();
	ck_assert_str_eq(member(line, "level"), "warn");
	ck_assert_str_eq(member(line, "role"), "master");
	ck_assert_str_eq(member(line, "message"), "conn 17 closed");
	ck_assert_str_eq(member(line, "why"), "peer");
	ck_assert_int_eq(json_integer_value(json_object_get(line, "in")), 512);
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	json_decref(line);
}
END_TEST

START_TEST(what_is_in_the_prefix_is_a_member_only)
{
	const struct log_field fields[] = {
		{ "listener", "web", 0, true },
		{ "listener", NULL, 7, false },
		{ "time", NULL, 8, false },
	};
	json_t *line;

	capture(0);
	log_fields(LOG_LEVEL_WARN, "web counters", fields, 3);
	ck_assert_str_eq(logged_line(),
	    "warn  master: web counters listener=7 time=8\n");
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_fields(LOG_LEVEL_WARN, "web counters", fields, 3);
	line = logged_json();
	ck_assert_str_eq(member(line, "listener"), "web");
	ck_assert_ptr_nonnull(member(line, "time"));
	ck_assert_int_eq(json_integer_value(json_object_get(line, "listener_")),
	    7);
	ck_assert_int_eq(json_integer_value(json_object_get(line, "time_")), 8);
	json_decref(line);
}
END_TEST

START_TEST(json_escapes_what_is_not_utf8)
{
	/* stray byte; cut short; surrogate; overlong form; beyond Unicode */
	static const char *const bad[] = { "\xff", "\xe2\x82", "\xed\xa0\x80",
		"\xc0\xaf", "\xf4\x90\x80\x80" };
	char expected[64], one[8];
	json_t *line;

	capture(0);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		log_info("<%s>", bad[i]);
		line = logged_json();
		strcpy(expected, "<");
		for (size_t k = 0; k < strlen(bad[i]); k++) {
			snprintf(one, sizeof(one), "\\x%02x",
			    (unsigned char)bad[i][k]);
			strcat(expected, one);
		}
		strcat(expected, ">");
		ck_assert_str_eq(member(line, "message"), expected);
		json_decref(line);
	}
	log_info("%s", "\xe2\x82\xac \xf0\x9f\x92\xa7 \"\\");
	line = logged_json();
	ck_assert_str_eq(member(line, "message"),
	    "\xe2\x82\xac \xf0\x9f\x92\xa7 \"\\");
	json_decref(line);
}
END_TEST

START_TEST(a_long_line_is_cut_and_stays_a_line)
{
	static char big[LONG];
	json_t *line;

	capture(0);
	memset(big, '\n', sizeof(big) - 1);
	log_info("%s", big);
	ck_assert_uint_le(strlen(logged()), 4096);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	/* Each becomes six bytes in json. */
	memset(big, '\x01', sizeof(big) - 1);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("%s", big);
	line = logged_json();
	ck_assert_uint_le(strlen(text), 4096);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	json_decref(line);
}
END_TEST

START_TEST(the_time_is_utc)
{
	char before[32], after[32];
	struct timespec now; /* time(2) may be a tick behind the log */
	struct tm tm;

	capture(0);
	do { /* again when a second ended meanwhile */
		clock_gettime(CLOCK_REALTIME, &now);
		strftime(before, sizeof(before), "%Y-%m-%dT%H:%M:%S",
		    gmtime_r(&now.tv_sec, &tm));
		log_info("x");
		clock_gettime(CLOCK_REALTIME, &now);
		strftime(after, sizeof(after), "%Y-%m-%dT%H:%M:%S",
		    gmtime_r(&now.tv_sec, &tm));
		logged();
	} while (strcmp(before, after) != 0);
	ck_assert_int_eq(strncmp(text, before, strlen(before)), 0);
}
END_TEST

START_TEST(the_journal_gets_priorities_and_no_time)
{
	struct stat st;
	char stream[64];

	capture(SOCK_STREAM);
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("worker 1");
	log_warnx("hm");
	ck_assert_str_eq(logged(), "<4>worker 1: hm\n");
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("hm");
	ck_assert_int_eq(strncmp(logged(), "<6>{\"time\":", 11), 0);
	/* JOURNAL_STREAM names another stream than stderr. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_init("worker 1");
	log_info("hm");
	ck_assert_int_eq(logged()[0], '{');
}
END_TEST

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

START_TEST(complaints_of_libevent_are_lines_of_the_log)
{
	struct event *event;

	capture(SOCK_SEQPACKET);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	ck_assert_int_eq(engine_init(NULL), 0);
	event = event_new(engine.base, 999, EV_READ, on_event, NULL);
	ck_assert_int_eq(event_add(event, NULL), -1); /* it is not open */
	ck_assert_int_eq(strncmp(logged(), "{\"time\":", 8), 0);
	ck_assert_ptr_nonnull(strstr(text, "libevent: "));
	event_free(event);
	engine_done();
}
END_TEST

START_TEST(a_limit_lets_a_burst_through_and_counts_the_rest)
{
	struct log_limit limit = { 0 };
	uint32_t skipped = 99;
	unsigned int let_through = 0;

	for (unsigned int i = 0; i < 1000; i++)
		let_through += log_limit(&limit, 3, &skipped);
	/* A new second may have begun once meanwhile. */
	ck_assert_uint_ge(let_through, 3);
	ck_assert_uint_le(let_through, 6);
	limit.second--;
	ck_assert(log_limit(&limit, 3, &skipped));
	ck_assert_uint_gt(skipped, 0);
	ck_assert_uint_le(skipped, 1000 - let_through);
}
END_TEST

static uint32_t summed;

static void
sum_up(struct log_limit *limit, uint32_t skipped)
{
	(void)limit;
	summed += skipped;
}

START_TEST(what_is_left_out_is_summed_up_without_a_next_line)
{
	struct log_limit limit = { .sum_up = sum_up };
	struct log_limit other = { .sum_up = sum_up };
	uint32_t skipped, passed = 0, i;

	capture(0);
	ck_assert_int_eq(engine_init(NULL), 0);
	for (i = 0; i < 500; i++)
		passed += log_limit(&limit, 1, &skipped);
	ck_assert_uint_lt(passed, 5);
	while (limit.skipped > 0)
		ck_assert_int_eq(event_base_loop(engine.base, EVLOOP_ONCE), 0);
	ck_assert_uint_ge(summed, 500 - passed - skipped);
	ck_assert(!limit.waits);
	/* What ends before is summed up at its end. */
	summed = 0;
	for (i = 0; i < 100; i++)
		passed =
		    log_limit(&limit, 0, NULL) + log_limit(&other, 0, NULL);
	log_limit_done(&limit);
	engine_done();
	ck_assert_uint_eq(summed, 200);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_line_has_time_level_role_and_message,
		the_level_decides_and_verbose_overrules,
		a_message_is_one_line_without_control_characters,
		what_is_not_printable_utf8_is_escaped,
		fields_follow_the_message,
		json_has_the_fields_as_members,
		what_is_in_the_prefix_is_a_member_only,
		json_escapes_what_is_not_utf8,
		a_long_line_is_cut_and_stays_a_line,
		the_time_is_utc,
		the_journal_gets_priorities_and_no_time,
		complaints_of_libevent_are_lines_of_the_log,
		a_limit_lets_a_burst_through_and_counts_the_rest,
		what_is_left_out_is_summed_up_without_a_next_line,
		NULL,
	};

	return fixture_run("log", tests);
}

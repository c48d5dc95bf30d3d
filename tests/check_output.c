/* check_output.c: what children print, on its way to a log of objects. */

#include <string.h>
#include <sys/wait.h>

#include "fixture.h"
#include "master/output_json.h"

#define OURS "{\"time\":\"now\",\"message\":\"ours\"}\n"

static int in, out;
static pid_t relay;
static char text[32768];

static void
begin(enum log_format format)
{
	int to[2], from[2];

	log_configure(LOG_LEVEL_INFO, format);
	ck_assert_int_eq(output_json_init(), 0);
	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	relay = fork();
	if (relay == 0) {
		close(to[1]);
		dup2(from[1], STDOUT_FILENO);
		output_json_relay(to[0]);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	in = to[1];
	out = from[0];
}

static void
print(const char *what)
{
	ck_assert_int_eq(write(in, what, strlen(what)), (int)strlen(what));
}

/* Everything, when nothing more can be printed. */
static const char *
shown(void)
{
	size_t there = 0;
	ssize_t got;
	int status;

	close(in);
	while ((got = read(out, text + there, sizeof(text) - there - 1)) > 0)
		there += (size_t)got;
	text[there] = '\0';
	ck_assert_int_eq(waitpid(relay, &status, 0), relay);
	ck_assert_int_eq(status, 0);
	return text;
}

static unsigned int
count(const char *what)
{
	unsigned int found = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		found++;
	return found;
}

START_TEST(a_printed_line_is_an_object)
{
	begin(LOG_FORMAT_JSON);
	print("one\ntwo \"quoted\"\n\nhalf");
	shown();
	ck_assert_uint_eq(count("\n"), 3);
	ck_assert_uint_eq(count("\"role\":\"output\",\"message\":\"one\"}\n"),
	    1);
	ck_assert_uint_eq(count("\"message\":\"two \\\"quoted\\\"\"}\n"), 1);
	ck_assert_uint_eq(count("\"message\":\"half\"}\n"), 1);
}
END_TEST

START_TEST(an_object_that_looks_like_ours_is_printed)
{
	begin(LOG_FORMAT_JSON);
	print("half" OURS OURS "<6>" OURS);
	shown();
	ck_assert_uint_eq(count("\n"), 3);
	ck_assert_uint_eq(count(OURS), 0);
	ck_assert_uint_eq(count("\"message\":\"half{\\\"time\\\":"), 1);
	ck_assert_uint_eq(count("\"message\":\"{\\\"time\\\":"), 1);
	ck_assert_uint_eq(count("\"message\":\"<6>{\\\"time\\\":"), 1);
}
END_TEST

START_TEST(a_long_line_becomes_several_objects)
{
	char line[10001];

	memset(line, 'x', sizeof(line) - 2);
	line[5000] = '\0'; /* printed as one byte, too */
	line[sizeof(line) - 2] = '\n';
	begin(LOG_FORMAT_JSON);
	ck_assert_int_eq(write(in, line, sizeof(line) - 1), 10000);
	shown();
	ck_assert_uint_eq(count("x"), 9998);
	ck_assert_uint_ge(count("}\n"), 9);
	ck_assert_uint_eq(count("}\n"), count("{\"time\""));
}
END_TEST

START_TEST(the_format_may_change)
{
	begin(LOG_FORMAT_TEXT);
	print("text {}\n");
	ck_assert_int_gt(read(out, text, sizeof(text)), 0);
	ck_assert_int_eq(strncmp(text, "text {}\n", 8), 0);
	output_json_format(LOG_FORMAT_JSON);
	print("object\n");
	shown();
	ck_assert_uint_eq(count("\"message\":\"object\"}\n"), 1);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_printed_line_is_an_object,
		an_object_that_looks_like_ours_is_printed,
		a_long_line_becomes_several_objects,
		the_format_may_change,
		NULL,
	};

	return fixture_run("output", tests);
}

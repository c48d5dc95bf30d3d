/* check_negotiate.c: which format of the metrics a client gets. */

#include "fixture.h"

#include "status/negotiate.h"

START_TEST(whoever_asks_for_openmetrics_gets_it)
{
	static const char *const open[] = {
		"application/openmetrics-text",
		"application/openmetrics-text; version=1.0.0; charset=utf-8",
		/* Prometheus 2.42 */
		"application/openmetrics-text;version=1.0.0,"
		"application/openmetrics-text;version=0.0.1;q=0.75,"
		"text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		"text/plain;q=0.5, APPLICATION/OpenMetrics-Text;q=0.6",
		"text/plain;q=0.9,application/openmetrics-text;q=1.0",
		"text/*;q=0.2, application/openmetrics-text;q=0.25",
	};

	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		ck_assert_msg(negotiate_openmetrics(open[i]), "%s", open[i]);
}
END_TEST

START_TEST(others_get_text)
{
	static const char *const text[] = {
		"",
		"*/*",
		"text/html,application/xhtml+xml,*/*;q=0.8",
		"text/plain;version=0.0.4",
		"application/openmetrics-text;q=0",
		"application/openmetrics-text;q=0.5,text/plain;q=0.7",
		"application/openmetrics-text;q=0.05,*/*;q=0.1",
		"application/openmetrics-texts",
		"application/openmetrics",
		";;;,,,q=;q=1,/;q",
		"application/openmetrics-text;q=",
		"application/openmetrics-text;q",
	};

	ck_assert(!negotiate_openmetrics(NULL));
	for (size_t i = 0; i + 2 < sizeof(text) / sizeof(text[0]); i++)
		ck_assert_msg(!negotiate_openmetrics(text[i]), "%s", text[i]);
	/* Nonsense: either is right, but it must end. */
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		negotiate_openmetrics(text[i]);
}
END_TEST

START_TEST(any_bytes_are_read_to_their_end)
{
	static const char bytes[] = "application/openmetrics-text;q=0.15,; \t*";
	char accept[64];

	for (unsigned int turn = 0; turn < 200000; turn++) {
		size_t length = (size_t)random() % (sizeof(accept) - 1);
		char *copy;

		for (size_t i = 0; i < length; i++)
			accept[i] = bytes[random() % (long)sizeof(bytes)];
		accept[length] = '\0';
		copy = strdup(accept); /* its end is where memory ends */
		negotiate_openmetrics(copy);
		free(copy);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		whoever_asks_for_openmetrics_gets_it,
		others_get_text,
		any_bytes_are_read_to_their_end,
		NULL,
	};

	return fixture_run("negotiate", tests);
}

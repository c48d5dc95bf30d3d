/* check_text.c: untrusted bytes as text for people and as JSON, and times. */

#include "base/escape.h"
#include "base/json_text.h"
#include "base/time_text.h"
#include "fixture.h"

static const char *
shown(const char *text)
{
	static char plain[128];

	return escape_text(text, plain, sizeof(plain));
}

START_TEST(printable_utf8_is_shown_as_it_is)
{
	static const char *const all[] = { "", "a \\ \"b\"", "\xc3\xa9",
		"\xc2\xa0", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xf0\x9f\x92\xa7", "\xf4\x8f\xbf\xbf", NULL };

	for (unsigned int i = 0; all[i] != NULL; i++)
		ck_assert_str_eq(shown(all[i]), all[i]);
}
END_TEST

START_TEST(everything_else_is_shown_byte_for_byte)
{
	static const char *const all[][2] = {
		{ "a\nb\tc\rd", "a\\nb\\tc\\x0dd" },
		{ "\x1b[2J\x7f", "\\x1b[2J\\x7f" },
		{ "\xc2\x9b",
		    "\\xc2\\x9b" }, /* CSI, which begins an escape sequence */
		{ "\xff\x80", "\\xff\\x80" }, /* stray bytes */
		{ "\xe2\x82", "\\xe2\\x82" }, /* cut short */
		{ "\xe2\x82z", "\\xe2\\x82z" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
		{ "\xc0\xaf", "\\xc0\\xaf" },	       /* an overlong form */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	};

	for (unsigned int i = 0; i < sizeof(all) / sizeof(*all); i++)
		ck_assert_str_eq(shown(all[i][0]), all[i][1]);
}
END_TEST

START_TEST(text_is_cut_after_a_whole_character)
{
	char plain[8];

	ck_assert_str_eq(escape_text("1234567890", plain, 8), "1234567");
	ck_assert_str_eq(escape_text("12345\xc3\xa9z", plain, 8),
	    "12345\xc3\xa9");
	ck_assert_str_eq(escape_text("123456\xc3\xa9", plain, 8), "123456");
	ck_assert_str_eq(escape_text("1234\xff", plain, 8), "1234");
	ck_assert_str_eq(escape_text("a", plain, 1), "");
}
END_TEST

static void
expect_json(json_t *json, const char *text)
{
	ck_assert(json_is_string(json));
	ck_assert_str_eq(json_string_value(json), text);
	json_decref(json);
}

START_TEST(json_keeps_utf8_and_escapes_the_rest)
{
	expect_json(json_text(""), "");
	expect_json(json_text("h\xc3\xa9\n\x1b\xc2\x9b"),
	    "h\xc3\xa9\n\x1b\xc2\x9b");
	expect_json(json_text("<\xff\xe2\x82>"), "<\\xff\\xe2\\x82>");
	ck_assert(json_is_null(json_text(NULL)));
}
END_TEST

START_TEST(json_is_cut_after_a_whole_character)
{
	expect_json(json_text_cut("abc", 2), "ab");
	expect_json(json_text_cut("a\xc3\xa9", 3), "a\xc3\xa9");
	expect_json(json_text_cut("a\xc3\xa9", 2), "a");
	expect_json(json_text_cut("\xff\xff", 7), "\\xff");
	expect_json(json_text_cut("a", 0), "");
}
END_TEST

START_TEST(a_time_is_utc_to_the_millisecond)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} all[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 951782399999, "2000-02-28T23:59:59.999Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 1795150800123, "2026-11-20T05:00:00.123Z" },
		{ 4107542400000, "2100-03-01T00:00:00.000Z" },
	};
	char text[TIME_TEXT_MAX];

	for (unsigned int i = 0; i < sizeof(all) / sizeof(*all); i++)
		ck_assert_str_eq(time_text(all[i].ms, text), all[i].text);
}
END_TEST

START_TEST(a_date_is_shown_in_utc)
{
	char text[TIME_TEXT_MAX];

	ck_assert_str_eq(date_text(0, text), "1970-01-01 00:00:00 UTC");
	ck_assert_str_eq(date_text(1896094800, text),
	    "2030-01-31 13:00:00 UTC");
	ck_assert_str_eq(date_text(INT64_MAX, text), "an unknown day");
}
END_TEST

START_TEST(a_duration_of_whole_seconds_is_shown_in_seconds)
{
	char text[TIME_TEXT_MAX];

	ck_assert_str_eq(duration_text(30000, text), "30 s");
	ck_assert_str_eq(duration_text(1500, text), "1500 ms");
	ck_assert_str_eq(duration_text(0, text), "0 s");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		printable_utf8_is_shown_as_it_is,
		everything_else_is_shown_byte_for_byte,
		text_is_cut_after_a_whole_character,
		json_keeps_utf8_and_escapes_the_rest,
		json_is_cut_after_a_whole_character,
		a_time_is_utc_to_the_millisecond,
		a_date_is_shown_in_utc,
		a_duration_of_whole_seconds_is_shown_in_seconds,
		NULL,
	};

	return fixture_run("text", tests);
}

/* check_log_lines.c: what comes through the pipe of the log process. */

#include <string.h>

#include "base/log_line.h"
#include "fixture.h"
#include "master/log_lines.h"

#define DATE "2026-11-26T23:24:47.000Z"

/* All pieces, each "LEVEL:text" or "LEVEL:=text" if it is ours, with "|". */
static size_t (*next)(const char *bytes, size_t there, bool all,
    struct log_piece *ret) = log_lines_next;

static const char *
pieces(const char *bytes, bool all, size_t *ret_left)
{
	static char shown[4096];
	size_t there = strlen(bytes), taken;
	struct log_piece piece;

	shown[0] = '\0';
	while (there > 0 && (taken = next(bytes, there, all, &piece)) > 0) {
		snprintf(shown + strlen(shown), sizeof(shown) - strlen(shown),
		    "%d:%s%.*s|", piece.level, piece.ours ? "=" : "",
		    (int)piece.length, piece.text);
		bytes += taken;
		there -= taken;
	}
	*ret_left = there;
	return shown;
}

START_TEST(ours_have_a_mark_and_others_are_printed)
{
	size_t left;

	ck_assert_str_eq(pieces("<3>" DATE " error a: b\nprinted\n\n"
				"<6>{\"time\":\"x\"}\n<4>warned\n<9>x\n",
			     false, &left),
	    "3:=" DATE " error a: b|6:printed|6:|6:={\"time\":\"x\"}|"
	    "4:warned|6:<9>x|");
	ck_assert_uint_eq(left, 0);
}
END_TEST

START_TEST(ours_ends_a_line_that_was_begun)
{
	size_t left;

	ck_assert_str_eq(
	    pieces("half <4<4>" DATE " warn  a: b\nrest", false, &left),
	    "6:half <4|4:=" DATE " warn  a: b|");
	ck_assert_uint_eq(left, 4);
	ck_assert_str_eq(pieces("rest", true, &left), "6:rest|");
}
END_TEST

START_TEST(nothing_that_is_printed_is_ours)
{
	struct log_piece piece;
	size_t left;

	next = log_lines_next_printed;
	ck_assert_str_eq(pieces("<3>" DATE " error a: b\nhalf <3>" DATE
				" error a: b\n{\"time\":\"x\"}\n\n<4>rest",
			     false, &left),
	    "3:" DATE " error a: b|6:half <3>" DATE " error a: b|"
	    "6:{\"time\":\"x\"}|6:|");
	ck_assert_uint_eq(left, strlen("<4>rest"));
	ck_assert_str_eq(pieces("<4>rest", true, &left), "4:rest|");
	/* But it may look so. */
	log_lines_next_printed(DATE " a\n", strlen(DATE) + 3, false, &piece);
	ck_assert(piece.plain && !piece.object);
	log_lines_next_printed("{\"time\":\"\n", 10, false, &piece);
	ck_assert(piece.object && !piece.plain);
	log_lines_next_printed("a\n", 2, false, &piece);
	ck_assert(!piece.object && !piece.plain);
}
END_TEST

START_TEST(a_line_without_an_end_is_taken_in_parts)
{
	static char bytes[2 * LOG_LINE_MAX + 1];
	struct log_piece piece;

	memset(bytes, 'x', sizeof(bytes) - 1);
	ck_assert_uint_eq(
	    log_lines_next(bytes, LOG_LINE_MAX - 1, false, &piece), 0);
	ck_assert_uint_eq(log_lines_next(bytes, LOG_LINE_MAX, false, &piece),
	    LOG_LINE_MAX - 1);
	ck_assert_uint_eq(piece.length, LOG_LINE_MAX - 1);
}
END_TEST

START_TEST(a_cut_is_between_characters)
{
	ck_assert_uint_eq(log_lines_cut("abcdef", 4), 4);
	ck_assert_uint_eq(log_lines_cut("abc\xc3\xa9", 4), 3);
	ck_assert_uint_eq(log_lines_cut("abc\xc3\xa9x", 5), 5);
	ck_assert_uint_eq(log_lines_cut("abc\xf0\x9f\x98\x80", 6), 3);
	/* What is no character is cut anywhere. */
	ck_assert_uint_eq(log_lines_cut("abc\x80\x80\x80\x80\x80\x80", 8), 8);
}
END_TEST

START_TEST(a_bare_line_has_neither_time_nor_level)
{
	struct log_piece piece = { .text = DATE " info  a: b c",
		.length = strlen(DATE " info  a: b c"),
		.ours = true,
		.plain = true };
	const char *text;
	size_t length;

	log_lines_bare(&piece, &text, &length);
	ck_assert_uint_eq(length, 6);
	ck_assert_int_eq(memcmp(text, "a: b c", 6), 0);
	piece.plain = false;
	log_lines_bare(&piece, &text, &length);
	ck_assert_ptr_eq(text, piece.text);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		ours_have_a_mark_and_others_are_printed,
		ours_ends_a_line_that_was_begun,
		nothing_that_is_printed_is_ours,
		a_line_without_an_end_is_taken_in_parts,
		a_cut_is_between_characters,
		a_bare_line_has_neither_time_nor_level,
		NULL,
	};

	return fixture_run("log_lines", tests);
}

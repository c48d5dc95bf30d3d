/*
 * log_lines.c: each of our lines is one write(2), so it comes whole.  A plugin
 * may print half a line before one, so ours may begin anywhere.
 */

#include "master/log_lines.h"

#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/log_line.h"

#define MARK_LEN 3 /* "<6>" */
#define OBJECT "{\"time\":\""
#define OBJECT_LEN (sizeof(OBJECT) - 1)
#define DATE_LEN 11 /* "2026-11-26T" */

static bool
is_mark(const char *bytes, size_t there)
{
	return there >= MARK_LEN && bytes[0] == '<' && bytes[1] >= '0' &&
	    bytes[1] <= '7' && bytes[2] == '>';
}

static bool
is_date(const char *bytes, size_t there)
{
	static const char form[] = "0000-00-00T";

	if (there < DATE_LEN)
		return false;
	for (size_t i = 0; i < DATE_LEN; i++)
		if (form[i] == '0' ? !isdigit((unsigned char)bytes[i])
				   : bytes[i] != form[i])
			return false;
	return true;
}

static bool
is_object(const char *bytes, size_t there)
{
	return there >= OBJECT_LEN && memcmp(bytes, OBJECT, OBJECT_LEN) == 0;
}

/* Does a line of ours begin here? */
static bool
is_ours(const char *bytes, size_t there)
{
	return is_mark(bytes, there) &&
	    (is_date(bytes + MARK_LEN, there - MARK_LEN) ||
		is_object(bytes + MARK_LEN, there - MARK_LEN));
}

/* Where the next line of ours begins, or `there`. */
static size_t
find_ours(const char *bytes, size_t there)
{
	const char *at = bytes;

	while ((at = memchr(at, '<', there - (size_t)(at - bytes))) != NULL) {
		if (is_ours(at, there - (size_t)(at - bytes)))
			return (size_t)(at - bytes);
		at++;
	}
	return there;
}

size_t
log_lines_cut(const char *text, size_t most)
{
	size_t length = most;

	/* Bytes that continue a character: there are 3 at most. */
	while (
	    length > most - 3 && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	return ((unsigned char)text[length] & 0xc0) == 0x80 ? most : length;
}

/* ours: where a line of ours begins. */
static size_t
next_piece(const char *bytes, size_t there, size_t ours, bool all,
    struct log_piece *ret)
{
	const char *newline = memchr(bytes, '\n', there);
	size_t length = newline != NULL ? (size_t)(newline - bytes) : there;
	size_t taken;

	if (ours > 0 && ours < length) {
		length = taken = ours;
	} else if (length >= LOG_LINE_MAX) {
		length = taken = log_lines_cut(bytes, LOG_LINE_MAX - 1);
	} else if (newline != NULL) {
		taken = length + 1;
	} else if (all) {
		taken = length;
	} else {
		return 0;
	}
	*ret = (struct log_piece){
		.text = bytes,
		.length = length,
		.level = LOG_LEVEL_INFO,
		.ours = ours == 0 && length > 0,
	};
	if (is_mark(bytes, length)) {
		ret->level = bytes[1] - '0';
		ret->text += MARK_LEN;
		ret->length -= MARK_LEN;
	}
	ret->plain = is_date(ret->text, ret->length);
	ret->object = is_object(ret->text, ret->length);
	return taken;
}

size_t
log_lines_next(const char *bytes, size_t there, bool all, struct log_piece *ret)
{
	const char *newline = memchr(bytes, '\n', there);
	size_t length = newline != NULL ? (size_t)(newline - bytes) : there;

	return next_piece(bytes, there, find_ours(bytes, length), all, ret);
}

size_t
log_lines_next_printed(const char *bytes, size_t there, bool all,
    struct log_piece *ret)
{
	return next_piece(bytes, there, there + 1, all, ret);
}

void
log_lines_bare(const struct log_piece *piece, const char **ret_text,
    size_t *ret_length)
{
	const char *at = piece->text, *end = at + piece->length;

	if (piece->ours && piece->plain) {
		/* The time, and the level with the spaces behind it. */
		for (int word = 0; word < 2; word++) {
			while (at < end && *at != ' ')
				at++;
			while (at < end && *at == ' ')
				at++;
		}
	}
	*ret_text = at;
	*ret_length = (size_t)(end - at);
}

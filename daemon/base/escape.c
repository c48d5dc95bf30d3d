/* escape.c: bytes that are not printable UTF-8 become escapes. */

#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t
escape_utf8_length(const char *from)
{
	const unsigned char *text = (const unsigned char *)from;
	uint32_t value;
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		length = 2;
	else if ((text[0] & 0xf0) == 0xe0)
		length = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		length = 4;
	else
		return 0;
	value = text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3fu);
	}
	if ((length == 3 && value < 0x800) ||
	    (length == 4 && value < 0x10000) || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return length;
}

/*
 * Control characters of ASCII and of UTF-8: to a terminal U+009B is the same as
 * escape and a bracket.
 */
static bool
is_control(const unsigned char *text)
{
	return text[0] < 0x20 || text[0] == 0x7f ||
	    (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f);
}

size_t
escape_one(const char *text, char ret_escaped[ESCAPE_MAX])
{
	const unsigned char *first = (const unsigned char *)text;
	size_t length = escape_utf8_length(text);

	if (length != 0 && !is_control(first)) {
		memcpy(ret_escaped, text, length);
		ret_escaped[length] = '\0';
		return length;
	}
	if (*first == '\n')
		strcpy(ret_escaped, "\\n");
	else if (*first == '\t')
		strcpy(ret_escaped, "\\t");
	else
		snprintf(ret_escaped, ESCAPE_MAX, "\\x%02x", *first);
	return 1;
}

const char *
escape_text(const char *text, char *ret_plain, size_t size)
{
	char escaped[ESCAPE_MAX];
	size_t used = 0, length;

	while (*text != '\0') {
		text += escape_one(text, escaped);
		length = strlen(escaped);
		if (used + length >= size)
			break;
		memcpy(ret_plain + used, escaped, length);
		used += length;
	}
	ret_plain[used] = '\0';
	return ret_plain;
}

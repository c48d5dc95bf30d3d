/*
 * escape.h: makes text from a peer or a plugin safe to show: one line of UTF-8
 * without control characters.  Everything else becomes "\n", "\t" or "\x9b",
 * byte for byte.
 */

#ifndef SLUICE_ESCAPE_H
#define SLUICE_ESCAPE_H

#include <stddef.h>

#define ESCAPE_MAX 8 /* of one character, with its NUL */

/*
 * The length of the UTF-8 character that text begins with; 0: it is malformed.
 */
size_t escape_utf8_length(const char *text);

/*
 * Escape the first character of a text that is not empty.  Returns how many
 * bytes of the text it takes.
 */
size_t escape_one(const char *text, char ret_escaped[ESCAPE_MAX]);

/*
 * Escape all of the text, cut after the last character that fits.  Returns
 * ret_plain.
 */
const char *escape_text(const char *text, char *ret_plain, size_t size);

#endif

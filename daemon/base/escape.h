/*
 * escape.h: makes text of a peer or a plugin safe to show: one line of UTF-8
 * without control characters.  Everything else becomes "\n", "\t" or "\x9b",
 * byte for byte.
 */

#ifndef SLUICE_ESCAPE_H
#define SLUICE_ESCAPE_H

#include <stddef.h>

#define ESCAPE_MAX 8 /* of one character, with its NUL */

/* Bytes in front of text that are one well-formed UTF-8 character; 0: none. */
size_t escape_utf8_length(const char *text);

/*
 * The first character of a text that is not empty.  Returns its bytes in the
 * text.
 */
size_t escape_one(const char *text, char ret_escaped[ESCAPE_MAX]);

/* All of it, cut behind the last character that fits.  Returns ret_plain. */
const char *escape_text(const char *text, char *ret_plain, size_t size);

#endif

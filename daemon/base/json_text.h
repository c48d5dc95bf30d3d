/*
 * json_text.h: text that may be any bytes, as a JSON string.  JSON is UTF-8: a
 * byte that is not part of a well-formed character becomes "\xff", as in a line
 * of the log.  Everything else is unchanged, since JSON can hold it.
 */

#ifndef SLUICE_JSON_TEXT_H
#define SLUICE_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/* The text, or null for NULL.  Returns NULL: no memory. */
json_t *json_text(const char *text);

/* The same, cut after the last character that fits in max bytes. */
json_t *json_text_cut(const char *text, size_t max);

#endif

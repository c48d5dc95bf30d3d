/* json_text.c: any bytes as a JSON string. */

#include "base/json_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

json_t *
json_text_cut(const char *text, size_t max)
{
	size_t taken, length, used = 0;
	char *clean, escaped[ESCAPE_MAX];
	const char *from;
	json_t *json;

	if (text == NULL)
		return json_null();
	/* An escape takes four bytes for one. */
	clean = malloc(4 * strlen(text) + 1);
	if (clean == NULL)
		return NULL;
	for (; *text != '\0'; text += taken) {
		from = text;
		taken = length = escape_utf8_length(text);
		if (taken == 0) {
			from = escaped;
			taken = escape_one(text, escaped);
			length = strlen(escaped);
		}
		if (used + length > max)
			break;
		memcpy(clean + used, from, length);
		used += length;
	}
	json = json_stringn(clean, used);
	free(clean);
	return json;
}

json_t *
json_text(const char *text)
{
	return json_text_cut(text, SIZE_MAX);
}

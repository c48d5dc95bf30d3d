/*
 * negotiate.c: the header Accept (RFC 9110, 12.5.1), for our two formats.  It
 * may be any bytes: what is not understood does not count.
 */

#include "status/negotiate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THOUSAND 1000

/* The value of ";q=0.5" among the parameters, in thousandths. */
static int
quality(const char *from, const char *end)
{
	const char *at = from;
	int value = 0, scale = THOUSAND;

	while ((at = memchr(at, ';', (size_t)(end - at))) != NULL) {
		at += 1 + strspn(at + 1, " \t");
		if (end - at < 3 || strncasecmp(at, "q=", 2) != 0)
			continue;
		if (at[2] == '1')
			return THOUSAND;
		for (at += 3; at < end && *at == '.'; at++)
			;
		for (; at < end && *at >= '0' && *at <= '9' && scale > 1; at++)
			value += (*at - '0') * (scale /= 10);
		return value;
	}
	return THOUSAND;
}

/* How much a client wants that type: -1 if it does not name it. */
static int
wish(const char *accept, const char *type)
{
	size_t length = strlen(type);
	const char *at = accept, *end;
	int best = -1, found;

	for (; *at != '\0'; at = end + (*end == ',')) {
		at += strspn(at, " \t");
		end = strchrnul(at, ',');
		if ((size_t)(end - at) < length ||
		    strncasecmp(at, type, length) != 0 ||
		    strchr(",; \t", at[length]) == NULL)
			continue;
		found = quality(at, end);
		if (found > best)
			best = found;
	}
	return best;
}

bool
negotiate_openmetrics(const char *accept)
{
	int open, text;

	if (accept == NULL)
		return false;
	open = wish(accept, "application/openmetrics-text");
	text = wish(accept, "text/plain");
	if (text == -1)
		text = wish(accept, "text/*");
	if (text == -1)
		text = wish(accept, "*/*");
	return open > 0 && open >= text;
}

/* tls_name.h: the name of a host as clients send it (SNI). */

#ifndef SLUICE_TLS_NAME_H
#define SLUICE_TLS_NAME_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>

#define TLS_NAME_MAX 255 /* bytes, without the NUL */

/* In lower case, without a dot at the end.  False: too long, or nothing left. */
static inline bool
tls_name_tidy(const void *name, size_t len, char ret[TLS_NAME_MAX + 1])
{
	const unsigned char *from = name;

	if (len > 0 && from[len - 1] == '.')
		len--;
	if (len == 0 || len > TLS_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		ret[i] = (char)tolower(from[i]);
	ret[len] = '\0';
	return true;
}

#endif

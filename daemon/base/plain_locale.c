/* plain_locale.c: the locale "C" of a thread. */

#include "base/plain_locale.h"

#include <stdlib.h>

static locale_t plain;

static locale_t
the_plain_one(void)
{
	/* This one is part of the C library, so it cannot fail. */
	if (plain == (locale_t)0)
		plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	return plain;
}

void
plain_locale_init(void)
{
	uselocale(the_plain_one());
}

locale_t
plain_locale_begin(void)
{
	return uselocale(the_plain_one());
}

void
plain_locale_end(locale_t before)
{
	uselocale(before);
}

double
plain_number(const char *text, char **ret_end)
{
	locale_t before = plain_locale_begin();
	double value = strtod(text, ret_end);

	plain_locale_end(before);
	return value;
}

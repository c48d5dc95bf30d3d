/* value.c: durations and sizes from text and back. */

#include "config/value.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 3600 * 1000 },
	{ "d", 24 * 3600 * 1000 },
	{ NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", 1 << 10 },
	{ "KiB", 1 << 10 },
	{ "M", 1 << 20 },
	{ "MiB", 1 << 20 },
	{ "G", 1 << 30 },
	{ "GiB", 1 << 30 },
	{ NULL, 0 },
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Read "12" or "1.5" and leave *text at what follows.  Does not depend on the
 * locale, and refuses signs, hex, exponents, "inf" and "nan".
 */
static bool
scan_number(const char **text, double *ret_number)
{
	const char *p = *text;
	double number = 0, place = 1;

	if (!is_digit(*p))
		return false;
	for (; is_digit(*p); p++)
		number = number * 10 + (*p - '0');
	if (*p == '.') {
		if (!is_digit(*++p))
			return false;
		for (; is_digit(*p); p++) {
			place /= 10;
			number += (*p - '0') * place;
		}
	}
	*text = p;
	*ret_number = number;
	return true;
}

static const struct unit *
find_unit(const struct unit *units, const char *name)
{
	for (; units->name != NULL; units++)
		if (strcmp(units->name, name) == 0)
			return units;
	return NULL;
}

/*
 * Whole milliseconds, or bytes: doubles are exact up to 2^53, both maxima are
 * below.
 */
static int
to_whole(double number, uint64_t max, uint64_t *ret_whole)
{
	if (!(number >= 0) || number > (double)max)
		return -1;
	*ret_whole = (uint64_t)(number + 0.5);
	return 0;
}

int
value_duration(const char *text, uint64_t *ret_ms, struct error *err)
{
	const struct unit *unit;
	const char *rest = text;
	double number;
	uint64_t ms;

	if (!scan_number(&rest, &number))
		return error_set(err,
		    "\"%s\" is not a duration, "
		    "such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"7d\"",
		    text);
	if (*rest == '\0') {
		if (number > 0)
			return error_set(err,
			    "\"%s\" has no unit; "
			    "write \"%ss\" for seconds, or ms, m, h, d",
			    text, text);
		*ret_ms = 0;
		return 0;
	}
	unit = find_unit(duration_units, rest);
	if (unit == NULL)
		return error_set(err,
		    "\"%s\" is not a duration: the units are ms, s, m, h and d",
		    text);
	if (to_whole(number * unit->factor, VALUE_DURATION_MAX, &ms) == -1)
		return error_set(err, "\"%s\" is longer than ten years", text);
	if (ms == 0 && number > 0)
		return error_set(err,
		    "\"%s\" is less than a millisecond; "
		    "0 means none",
		    text);
	*ret_ms = ms;
	return 0;
}

int
value_duration_seconds(double seconds, uint64_t *ret_ms, struct error *err)
{
	uint64_t ms;

	if (seconds < 0)
		return error_set(err, "%g is a negative duration", seconds);
	if (to_whole(seconds * 1000, VALUE_DURATION_MAX, &ms) == -1)
		return error_set(err, "%g seconds is longer than ten years",
		    seconds);
	if (ms == 0 && seconds > 0)
		return error_set(err,
		    "%g seconds is less than a millisecond; "
		    "0 means none",
		    seconds);
	*ret_ms = ms;
	return 0;
}

int
value_size(const char *text, uint64_t *ret_bytes, struct error *err)
{
	static const char decimal[] = "kKmMgG";
	const struct unit *unit;
	const char *rest = text;
	double number, bytes;
	uint64_t whole;

	if (!scan_number(&rest, &number))
		return error_set(err,
		    "\"%s\" is not a size, "
		    "such as \"512\", \"64KiB\", \"1MiB\" or \"1GiB\"",
		    text);
	unit = find_unit(size_units, rest);
	if (unit == NULL && *rest != '\0' && strchr(decimal, *rest) != NULL &&
	    (rest[1] == '\0' || strcmp(rest + 1, "B") == 0 ||
		strcmp(rest + 1, "b") == 0))
		return error_set(err,
		    "\"%s\" is not a size: write %ciB, as units are powers of "
		    "1024; there is no unit %s",
		    text, *rest & ~0x20, rest);
	if (unit == NULL)
		return error_set(err,
		    "\"%s\" is not a size: "
		    "the units are B, KiB, MiB and GiB",
		    text);
	bytes = number * unit->factor;
	if (to_whole(bytes, VALUE_SIZE_MAX, &whole) == -1)
		return error_set(err,
		    "\"%s\" is too large: no machine has that much memory",
		    text);
	if ((double)whole != bytes)
		return error_set(err, "\"%s\" is not a whole number of bytes",
		    text);
	*ret_bytes = whole;
	return 0;
}

const char *
value_duration_text(uint64_t ms, char text[VALUE_TEXT_MAX])
{
	const struct unit *unit, *best = duration_units;

	for (unit = duration_units; unit->name != NULL; unit++)
		if (ms % unit->factor == 0)
			best = unit;
	if (ms == 0)
		snprintf(text, VALUE_TEXT_MAX, "0");
	else
		snprintf(text, VALUE_TEXT_MAX, "%" PRIu64 "%s",
		    ms / best->factor, best->name);
	return text;
}

const char *
value_size_text(uint64_t bytes, char text[VALUE_TEXT_MAX])
{
	const struct unit *unit, *best = size_units;

	for (unit = size_units; unit->name != NULL; unit++)
		if (bytes % unit->factor == 0)
			best = unit;
	if (bytes == 0)
		snprintf(text, VALUE_TEXT_MAX, "0");
	else
		snprintf(text, VALUE_TEXT_MAX, "%" PRIu64 "%s",
		    bytes / best->factor, best->name);
	return text;
}

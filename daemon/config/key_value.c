/* key_value.c: how one value of a key is checked and stored, by its row. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/plain_locale.h"
#include "config/keys.h"
#include "config/value.h"

const char *
key_expects(const struct key *key)
{
	switch (key->type) {
	case KEY_BOOL:
		return "true or false";
	case KEY_INT:
		return "an integer";
	case KEY_DURATION:
		return "a duration";
	case KEY_SIZE:
		return "a size";
	case KEY_WORD:
	case KEY_STRING:
		return "a string";
	case KEY_BOOL_DURATION:
		return "true, false or a duration";
	case KEY_FRACTION:
		return "a number from 0 to 1";
	case KEY_GROUP:
	case KEY_OPTIONS:
		return "a group";
	case KEY_GROUPS:
		return "a list of groups";
	case KEY_STRINGS:
		return "a string or a list of strings";
	case KEY_REFUSED:
		break;
	}
	return "nothing";
}

static int
wrong_type(const struct key *key, const char *what, struct error *err)
{
	return error_set(err, "expected %s, such as %s; this is %s",
	    key_expects(key), key->example ? key->example : key->value, what);
}

static const char *
number_text(const struct key *key, int64_t number, char text[VALUE_TEXT_MAX])
{
	if (key->type == KEY_SIZE)
		return value_size_text((uint64_t)number, text);
	if (key->type != KEY_INT)
		return value_duration_text((uint64_t)number, text);
	snprintf(text, VALUE_TEXT_MAX, "%lld", (long long)number);
	return text;
}

static bool
in_range(const struct key *key, int64_t number)
{
	return number >= key->min && number <= key->max;
}

static int
check_range(const struct key *key, int64_t number, struct error *err)
{
	char is[VALUE_TEXT_MAX], min[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];

	if (in_range(key, number))
		return 0;
	return error_set(err, "%s is out of range, which is %s to %s",
	    number_text(key, number, is), number_text(key, key->min, min),
	    number_text(key, key->max, max));
}

static int
set_number(const struct key *key, void *base, uint64_t number,
    struct error *err)
{
	/* What value.h returns is far below 2^63. */
	if (check_range(key, (int64_t)number, err) == -1)
		return -1;
	*(uint64_t *)key_field(key, base) = number;
	return 0;
}

/* A duration means on, and 0 means off. */
static int
set_bool_duration(const struct key *key, void *base, uint64_t ms,
    struct error *err)
{
	if (ms != 0 && check_range(key, (int64_t)ms, err) == -1)
		return -1;
	*(struct bool_duration *)key_field(key, base) =
	    (struct bool_duration){ .on = ms != 0, .ms = ms };
	return 0;
}

static bool
is_fraction(double number)
{
	return number >= 0 && number <= 1; /* and not NaN */
}

static int
set_fraction(const struct key *key, void *base, double number,
    struct error *err)
{
	if (!is_fraction(number))
		return error_set(err, "%g is out of range, which is 0 to 1",
		    number);
	*(double *)key_field(key, base) = number;
	return 0;
}

int
key_set_bool(const struct key *key, void *base, bool value, struct error *err)
{
	if (key->type == KEY_BOOL_DURATION)
		*(struct bool_duration *)key_field(key, base) =
		    (struct bool_duration){ .on = value };
	else if (key->type == KEY_BOOL)
		*(bool *)key_field(key, base) = value;
	else
		return wrong_type(key, value ? "true" : "false", err);
	return 0;
}

int
key_set_int(const struct key *key, void *base, int64_t value, struct error *err)
{
	uint64_t ms;

	switch (key->type) {
	case KEY_INT:
		if (check_range(key, value, err) == -1)
			return -1;
		*(int64_t *)key_field(key, base) = value;
		return 0;
	case KEY_SIZE:
		if (value < 0)
			return error_set(err, "%lld is a negative size",
			    (long long)value);
		return set_number(key, base, (uint64_t)value, err);
	case KEY_DURATION:
	case KEY_BOOL_DURATION:
		if (value_duration_seconds((double)value, &ms, err) == -1)
			return -1;
		if (key->type == KEY_BOOL_DURATION)
			return set_bool_duration(key, base, ms, err);
		return set_number(key, base, ms, err);
	case KEY_FRACTION:
		return set_fraction(key, base, (double)value, err);
	default:
		return wrong_type(key, "an integer", err);
	}
}

int
key_set_float(const struct key *key, void *base, double value,
    struct error *err)
{
	uint64_t ms;

	if (key->type == KEY_FRACTION)
		return set_fraction(key, base, value, err);
	if (key->type != KEY_DURATION && key->type != KEY_BOOL_DURATION)
		return wrong_type(key, "a number with a fraction", err);
	if (value_duration_seconds(value, &ms, err) == -1)
		return -1;
	if (key->type == KEY_BOOL_DURATION)
		return set_bool_duration(key, base, ms, err);
	return set_number(key, base, ms, err);
}

static int
set_word(const struct key *key, void *base, const char *value,
    struct error *err)
{
	const struct key_word *word;
	char known[256] = ""; /* all of them, and a test sees that they fit */
	size_t used = 0;

	for (word = key->words; word->name != NULL; word++) {
		if (strcmp(word->name, value) == 0) {
			*(int64_t *)key_field(key, base) = word->value;
			return 0;
		}
		snprintf(known + used, sizeof(known) - used, "%s%s",
		    used ? ", " : "", word->name);
		used += strlen(known + used);
	}
	return error_set(err, "\"%s\" is not one of %s", value, known);
}

static int
set_string(const struct key *key, void *base, const char *value,
    struct error *err)
{
	const char *p;
	char *copy, **slot = key_field(key, base);

	if (*value == '\0')
		return error_set(err, "must not be empty");
	for (p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return error_set(err,
			    "\"%.*s\" contains a control character",
			    (int)strcspn(value, "\n"), value);
	copy = strdup(value);
	if (copy == NULL)
		return error_sys(err, "out of memory");
	free(*slot);
	*slot = copy;
	return 0;
}

int
key_set_string(const struct key *key, void *base, const char *value,
    struct error *err)
{
	uint64_t number;

	switch (key->type) {
	case KEY_STRING:
		return set_string(key, base, value, err);
	case KEY_WORD:
		return set_word(key, base, value, err);
	case KEY_SIZE:
		if (value_size(value, &number, err) == -1)
			return -1;
		return set_number(key, base, number, err);
	case KEY_DURATION:
	case KEY_BOOL_DURATION:
		if (value_duration(value, &number, err) == -1)
			return -1;
		if (key->type == KEY_BOOL_DURATION)
			return set_bool_duration(key, base, number, err);
		return set_number(key, base, number, err);
	default:
		return wrong_type(key, "a string", err);
	}
}

static bool
is_word(const struct key *key, int64_t number)
{
	const struct key_word *word;

	if (number == 0 && key->value == NULL)
		return true; /* absent */
	for (word = key->words; word->name != NULL; word++)
		if (word->value == number)
			return true;
	return false;
}

bool
key_holds(const struct key *key, const void *base)
{
	const void *at = key_field(key, base);
	uint64_t ms;

	switch (key->type) {
	case KEY_INT:
	case KEY_DURATION:
	case KEY_SIZE:
		return in_range(key, *(const int64_t *)at);
	case KEY_BOOL_DURATION:
		ms = ((const struct bool_duration *)at)->ms;
		return ms == 0 ||
		    (ms <= INT64_MAX && in_range(key, (int64_t)ms));
	case KEY_FRACTION:
		return is_fraction(*(const double *)at);
	case KEY_WORD:
		return is_word(key, *(const int64_t *)at);
	case KEY_STRING:
		return *(char *const *)at != NULL ||
		    (!(key->flags & KEY_REQUIRED) && key->value == NULL);
	case KEY_GROUPS:
		return *key_count(key, base) <= key->max;
	default:
		return true;
	}
}

int
key_set_default(const struct key *key, void *base)
{
	struct error err;
	char text[256];
	size_t len = strlen(key->value);

	if (strcmp(key->value, "true") == 0 || strcmp(key->value, "false") == 0)
		return key_set_bool(key, base, key->value[0] == 't', &err);
	if (key->type == KEY_FRACTION)
		return key_set_float(key, base, plain_number(key->value, NULL),
		    &err);
	if (key->value[0] != '"')
		return key_set_int(key, base, atoll(key->value), &err);
	if (len < 2 || len >= sizeof(text)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(text, key->value + 1, len - 2);
	text[len - 2] = '\0';
	return key_set_string(key, base, text, &err);
}

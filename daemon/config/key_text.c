/* key_text.c: values as they would be written in a configuration. */

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/plain_locale.h"
#include "config/keys.h"
#include "config/value.h"

/* libconfig knows the escapes of a log line as well. */
static void
put_string(FILE *out, const char *text)
{
	char escaped[ESCAPE_MAX];

	putc('"', out);
	while (*text != '\0') {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		text += escape_one(text, escaped);
		fputs(escaped, out);
	}
	putc('"', out);
}

/* As few digits as give the same number again, and never those of an integer. */
static void
put_real(FILE *out, double real)
{
	locale_t before = plain_locale_begin();
	char text[64];

	snprintf(text, sizeof(text), "%.15g", real);
	if (strtod(text, NULL) != real)
		snprintf(text, sizeof(text), "%.17g", real);
	fprintf(out, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
	plain_locale_end(before);
}

static void
put_integer(FILE *out, int64_t integer)
{
	fprintf(out, "%" PRId64 "%s", integer,
	    integer < INT_MIN || integer > INT_MAX ? "L" : "");
}

/* The unit makes it a string. */
static void
put_amount(FILE *out, const char *text)
{
	if (strcmp(text, "0") == 0)
		fputs(text, out);
	else
		put_string(out, text);
}

static void
put_bool(FILE *out, bool value)
{
	fputs(value ? "true" : "false", out);
}

static bool
put_strings(FILE *out, const struct key *key, const void *base)
{
	uint32_t count = *key_count(key, base);
	const struct key_string *string;

	if (count == 0)
		return false;
	fputs(count != 1 ? "[ " : "", out);
	for (uint32_t i = 0; i < count; i++) {
		string = keys_at(key, base, i);
		fputs(i > 0 ? ", " : "", out);
		put_string(out, string->text);
	}
	fputs(count != 1 ? " ]" : "", out);
	return true;
}

const char *
key_word_text(const struct key *key, int64_t value)
{
	for (const struct key_word *word = key->words; word->name != NULL;
	     word++)
		if (word->value == value)
			return word->name;
	return NULL;
}

static bool
put_text(FILE *out, const char *text)
{
	if (text != NULL)
		put_string(out, text);
	return text != NULL;
}

bool
key_write(FILE *out, const struct key *key, const void *base)
{
	const void *at = key_field(key, base);
	const struct bool_duration *both = at;
	char text[VALUE_TEXT_MAX];

	switch (key->type) {
	case KEY_BOOL:
		put_bool(out, *(const bool *)at);
		break;
	case KEY_INT:
		put_integer(out, *(const int64_t *)at);
		break;
	case KEY_DURATION:
		put_amount(out,
		    value_duration_text(*(const uint64_t *)at, text));
		break;
	case KEY_SIZE:
		put_amount(out, value_size_text(*(const uint64_t *)at, text));
		break;
	case KEY_BOOL_DURATION:
		if (both->on && both->ms != 0)
			put_amount(out, value_duration_text(both->ms, text));
		else
			put_bool(out, both->on);
		break;
	case KEY_FRACTION:
		put_real(out, *(const double *)at);
		break;
	case KEY_WORD:
		return put_text(out, key_word_text(key, *(const int64_t *)at));
	case KEY_STRING:
		return put_text(out, *(char *const *)at);
	case KEY_STRINGS:
		return put_strings(out, key, base);
	default:
		return false;
	}
	return true;
}

void
raw_option_write(FILE *out, const struct raw_option *option)
{
	switch (option->type) {
	case RAW_INT:
		put_integer(out, option->integer);
		break;
	case RAW_BOOL:
		put_bool(out, option->integer != 0);
		break;
	case RAW_FLOAT:
		put_real(out, option->real);
		break;
	case RAW_STRING:
		put_string(out, option->strings[0]);
		break;
	case RAW_STRINGS:
		fputs("[ ", out);
		for (uint32_t i = 0; i < option->count; i++) {
			fputs(i > 0 ? ", " : "", out);
			put_string(out, option->strings[i]);
		}
		fputs(" ]", out);
		break;
	}
}

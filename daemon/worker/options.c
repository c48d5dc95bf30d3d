/* options.c: a listener's options, checked against its plugin's table. */

#include "worker/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "base/plain_float.h"
#include "base/plain_locale.h"
#include "config/address.h"
#include "config/value.h"

#define OPTION_NAMES_MAX 400 /* bytes for the list of names in an error */

static const struct {
	const char *name;
	const char *expected;
	const char *reader;
} types[] = {
	[SL_OPTION_STRING] = { "string", "a string, such as \"text\"",
	    "sl_option_string" },
	[SL_OPTION_INT] = { "integer", "an integer, such as 7",
	    "sl_option_int" },
	[SL_OPTION_FLOAT] = { "number", "a number, such as 0.5",
	    "sl_option_float" },
	[SL_OPTION_BOOL] = { "boolean", "true or false", "sl_option_bool" },
	[SL_OPTION_DURATION] = { "duration", "a duration, such as \"10s\"",
	    "sl_option_ms" },
	[SL_OPTION_SIZE] = { "size", "a size, such as \"64KiB\"",
	    "sl_option_size" },
	[SL_OPTION_ADDRESS] = { "address",
	    "an address, such as \"127.0.0.1:7007\"", "sl_option_string" },
	[SL_OPTION_STRINGS] = { "list of strings",
	    "a list of strings, such as [ \"a\", \"b\" ]", "sl_option_at" },
};

const char *
options_type_name(uint32_t type)
{
	return type >= SL_OPTION_STRING && type <= SL_OPTION_STRINGS
	    ? types[type].name
	    : "unknown";
}

const char *
options_type_reader(uint32_t type)
{
	return types[type].reader;
}

static int
wrong_type(uint32_t type, struct error *err)
{
	return error_set(err, "expected %s", types[type].expected);
}

static int
out_of_memory(struct error *err)
{
	return error_set(err, "out of memory");
}

static int
add_string(struct option *option, const char *text, struct error *err)
{
	char **more =
	    realloc(option->strings, (option->count + 1) * sizeof(*more));

	if (more == NULL)
		return out_of_memory(err);
	option->strings = more;
	more[option->count] = strdup(text);
	if (more[option->count] == NULL)
		return out_of_memory(err);
	option->count++;
	return 0;
}

static int
set_int(struct option *option, int64_t value, struct error *err)
{
	if (option->type == SL_OPTION_DURATION)
		return value_duration_seconds((double)value,
		    &option->value.amount, err);
	if (option->type == SL_OPTION_SIZE && value >= 0) {
		option->value.amount = value;
		return 0;
	}
	if (option->type == SL_OPTION_SIZE)
		return error_set(err, "a size cannot be negative");
	if (option->type == SL_OPTION_FLOAT) {
		option->value.real = value;
		return 0;
	}
	if (option->type != SL_OPTION_INT)
		return wrong_type(option->type, err);
	option->value.integer = value;
	return 0;
}

static int
set_string(struct option *option, const char *text, struct error *err)
{
	switch (option->type) {
	case SL_OPTION_DURATION:
		return value_duration(text, &option->value.amount, err);
	case SL_OPTION_SIZE:
		return value_size(text, &option->value.amount, err);
	case SL_OPTION_ADDRESS:
		if (address_check(text, err) == -1)
			return -1;
		return add_string(option, text, err);
	case SL_OPTION_STRING:
	case SL_OPTION_STRINGS: /* a list of one may be written without [] */
		return add_string(option, text, err);
	default:
		return wrong_type(option->type, err);
	}
}

static int
set_raw(struct option *option, const struct raw_option *raw, struct error *err)
{
	switch (raw->type) {
	case RAW_INT:
		return set_int(option, raw->integer, err);
	case RAW_BOOL:
		if (option->type != SL_OPTION_BOOL)
			return wrong_type(option->type, err);
		option->value.integer = raw->integer;
		return 0;
	case RAW_FLOAT:
		if (option->type == SL_OPTION_DURATION)
			return value_duration_seconds(raw->real,
			    &option->value.amount, err);
		if (option->type != SL_OPTION_FLOAT)
			return wrong_type(option->type, err);
		option->value.real = raw->real;
		return 0;
	case RAW_STRING:
		return set_string(option, raw->strings[0], err);
	case RAW_STRINGS:
		if (option->type != SL_OPTION_STRINGS)
			return wrong_type(option->type, err);
		for (uint32_t i = 0; i < raw->count; i++)
			if (add_string(option, raw->strings[i], err) == -1)
				return -1;
		return 0;
	}
	return wrong_type(option->type, err);
}

/* Set the default: text that is written as it would be in a config. */
static int
set_default(struct option *option, const char *text, struct error *err)
{
	char *end;

	errno = 0;
	switch (option->type) {
	case SL_OPTION_INT:
		option->value.integer = strtoll(text, &end, 0);
		if (*text == '\0' || *end != '\0' || errno != 0)
			return wrong_type(option->type, err);
		return 0;
	case SL_OPTION_FLOAT:
		option->value.real = plain_number(text, &end);
		if (*text == '\0' || *end != '\0')
			return wrong_type(option->type, err);
		return 0;
	case SL_OPTION_BOOL:
		option->value.integer = strcmp(text, "true") == 0;
		if (!option->value.integer && strcmp(text, "false") != 0)
			return wrong_type(option->type, err);
		return 0;
	default:
		return set_string(option, text, err);
	}
}

const struct option *
options_find(const struct sl_options *options, const char *path)
{
	if (options == NULL || path == NULL)
		return NULL;
	for (uint32_t i = 0; i < options->count; i++)
		if (strcmp(options->options[i].name, path) == 0)
			return &options->options[i];
	return NULL;
}

const char *
options_nearest(const struct sl_options *options, const char *path)
{
	struct nearest nearest = NEAREST_NONE;

	for (uint32_t i = 0; i < options->count; i++)
		nearest_try(&nearest, path, options->options[i].name);
	return nearest.word;
}

static const struct raw_option *
find_raw(const struct listener_settings *listener, const char *path)
{
	for (uint32_t i = 0; i < listener->option_count; i++)
		if (strcmp(listener->options[i].path, path) == 0)
			return &listener->options[i];
	return NULL;
}

const struct origin *
options_origin(const struct listener_settings *listener, const char *path)
{
	const struct raw_option *raw = find_raw(listener, path);

	return raw != NULL ? &raw->origin : &listener->origin;
}

static void __attribute__((format(printf, 4, 5)))
report(options_problem *problem, void *arg, const struct origin *origin,
    const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	problem(arg, origin, text);
}

/* "it has: a, b, c", as far as there is room. */
static const char *
list_names(const struct sl_options *options, char text[OPTION_NAMES_MAX])
{
	size_t used = 0;

	if (options->count == 0)
		return "it has none";
	for (uint32_t i = 0; i < options->count && used < OPTION_NAMES_MAX; i++)
		used += snprintf(text + used, OPTION_NAMES_MAX - used, "%s%s",
		    i == 0 ? "it has: " : ", ", options->options[i].name);
	if (used >= OPTION_NAMES_MAX)
		strcpy(text + OPTION_NAMES_MAX - sizeof("..."), "...");
	return text;
}

/* Report options of the config that the plugin does not have. */
static bool
check_unknown(const struct sl_options *options,
    const struct listener_settings *listener, options_problem *problem,
    void *arg)
{
	char names[OPTION_NAMES_MAX];
	const char *nearest;
	bool ok = true;

	for (uint32_t i = 0; i < listener->option_count; i++) {
		const struct raw_option *raw = &listener->options[i];

		if (options_find(options, raw->path) != NULL)
			continue;
		nearest = options_nearest(options, raw->path);
		report(problem, arg, &raw->origin,
		    "plugin \"%s\" has no option \"%s\"; %s%s%s%s",
		    listener->plugin, raw->path,
		    nearest != NULL ? "did you mean \"" : "",
		    nearest != NULL ? nearest : "",
		    nearest != NULL ? "\"? " : "", list_names(options, names));
		ok = false;
	}
	return ok;
}

/* Make an object without options, or NULL. */
static struct sl_options *
options_new(const struct listener_settings *listener, uint32_t count)
{
	struct sl_options *options = calloc(1, sizeof(*options));

	if (options == NULL)
		return NULL;
	options->mistakes = calloc(1, sizeof(*options->mistakes));
	options->options = calloc(count + 1, sizeof(*options->options));
	if (asprintf(&options->owner, "%s \"%s\": plugin \"%s\"",
		endpoint_kind(listener), listener->name,
		listener->plugin) == -1)
		options->owner = NULL;
	if (options->mistakes != NULL && options->options != NULL &&
	    options->owner != NULL)
		return options;
	options_free(options);
	return NULL;
}

struct sl_options *
options_build(const struct sl_option *table,
    const struct listener_settings *listener, options_problem *problem,
    void *arg)
{
	struct sl_options *options;
	uint32_t count = 0;
	bool ok = true;

	while (table != NULL && table[count].name != NULL)
		count++;
	/* The plugin of the listener before this one may have started. */
	plain_float();
	options = options_new(listener, count);
	if (options == NULL) {
		report(problem, arg, &listener->origin, "out of memory");
		return NULL;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct option *option = &options->options[options->count++];
		const struct raw_option *raw;
		struct error err;
		int rc = 0;

		option->type = table[i].type;
		option->name = strdup(table[i].name);
		if (option->name == NULL) {
			options->count--;
			report(problem, arg, &listener->origin,
			    "out of memory");
			ok = false;
			break;
		}
		raw = find_raw(listener, option->name);
		option->set = raw != NULL || table[i].value != NULL;
		if (raw != NULL)
			rc = set_raw(option, raw, &err);
		else if (table[i].value != NULL)
			rc = set_default(option, table[i].value, &err);
		if (rc == -1) {
			report(problem, arg,
			    options_origin(listener, option->name),
			    raw != NULL ? "option \"%s\": %s"
					: "default of option \"%s\": %s",
			    option->name, err.text);
			ok = false;
		}
	}
	if (ok || options->count == count)
		ok = check_unknown(options, listener, problem, arg) && ok;
	if (!ok) {
		options_free(options);
		return NULL;
	}
	return options;
}

void
options_free(struct sl_options *options)
{
	if (options == NULL)
		return;
	for (uint32_t i = 0; i < options->count; i++) {
		struct option *option = &options->options[i];

		for (uint32_t j = 0; j < option->count; j++)
			free(option->strings[j]);
		free(option->strings);
		free(option->name);
	}
	free(options->options);
	free(options->owner);
	free(options->mistakes);
	free(options);
}

/*
 * api_options.c: the calls of sluice.h on options.  A wrong name or type reads
 * as absent, and the log says so once.  Options do not change, so other threads
 * may read them, too.
 */

#include "worker/options.h"

#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "worker/own_thread.h"

/* Has this mistake been said already, or too many others?  Note that it is. */
static bool
was_said(struct option_mistakes *mistakes, const char *call, const char *path)
{
	uint64_t hash = hash_add(HASH_BEGIN, call, strlen(call) + 1);

	hash = hash_add(hash, path, strlen(path));
	for (uint32_t i = 0; i < mistakes->count; i++)
		if (mistakes->said[i] == hash)
			return true;
	if (mistakes->count == OPTION_MISTAKES_MAX)
		return true;
	mistakes->said[mistakes->count++] = hash;
	return false;
}

/* The plugin asks for an option that it does not have. */
static void __attribute__((cold)) tell_unknown(const struct sl_options *options,
    const char *call, const char *path)
{
	const char *nearest = options_nearest(options, path);

	if (!own_thread || was_said(options->mistakes, call, path))
		return;
	log_warnx("%s: it calls %s(\"%.100s\"), but its table has no such "
		  "option, so this reads as not set%s%s%s",
	    options->owner, call, path,
	    nearest != NULL ? "; did its author mean \"" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

/* The plugin asks for an option as if it was of another type. */
static void __attribute__((cold)) tell_type(const struct sl_options *options,
    const char *call, const struct option *option)
{
	if (!own_thread || was_said(options->mistakes, call, option->name))
		return;
	log_warnx("%s: it calls %s(\"%s\"), but its table says that this "
		  "option is of type %s, so this reads as not set; its author "
		  "has to use %s()",
	    options->owner, call, option->name, options_type_name(option->type),
	    options_type_reader(option->type));
}

/* The option of this name; if there is none, that is said. */
static const struct option *
find(const struct sl_options *options, const char *path, const char *call)
{
	const struct option *option = options_find(options, path);

	if (option == NULL && options != NULL && path != NULL)
		tell_unknown(options, call, path);
	return option;
}

static const struct option *
typed(const struct sl_options *options, const char *path, uint32_t type)
{
	const struct option *option =
	    find(options, path, options_type_reader(type));

	if (option == NULL || option->type == type)
		return option;
	tell_type(options, options_type_reader(type), option);
	return NULL;
}

/* The string of this index, or NULL. */
static const char *
string_at(const struct sl_options *options, const char *path, size_t index,
    const char *call)
{
	const struct option *option = find(options, path, call);

	if (option == NULL)
		return NULL;
	if (option->type != SL_OPTION_STRING &&
	    option->type != SL_OPTION_ADDRESS &&
	    option->type != SL_OPTION_STRINGS)
		tell_type(options, call, option);
	return index < option->count ? option->strings[index] : NULL;
}

const char *
sl_option_string(const struct sl_options *options, const char *path)
{
	return string_at(options, path, 0, "sl_option_string");
}

int64_t
sl_option_int(const struct sl_options *options, const char *path)
{
	const struct option *option = typed(options, path, SL_OPTION_INT);

	return option != NULL ? option->value.integer : 0;
}

double
sl_option_float(const struct sl_options *options, const char *path)
{
	const struct option *option = typed(options, path, SL_OPTION_FLOAT);

	return option != NULL ? option->value.real : 0;
}

int
sl_option_bool(const struct sl_options *options, const char *path)
{
	const struct option *option = typed(options, path, SL_OPTION_BOOL);

	return option != NULL && option->value.integer != 0;
}

uint64_t
sl_option_ms(const struct sl_options *options, const char *path)
{
	const struct option *option = typed(options, path, SL_OPTION_DURATION);

	return option != NULL ? option->value.amount : 0;
}

uint64_t
sl_option_size(const struct sl_options *options, const char *path)
{
	const struct option *option = typed(options, path, SL_OPTION_SIZE);

	return option != NULL ? option->value.amount : 0;
}

size_t
sl_option_count(const struct sl_options *options, const char *path)
{
	const struct option *option = find(options, path, "sl_option_count");

	if (option == NULL)
		return 0;
	return option->type == SL_OPTION_STRINGS ? option->count : option->set;
}

const char *
sl_option_at(const struct sl_options *options, const char *path, size_t index)
{
	return string_at(options, path, index, "sl_option_at");
}

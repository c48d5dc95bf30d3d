/*
 * api_options.c: the calls of sluice.h on options.  A wrong name or type reads
 * as absent.
 */

#include "worker/options.h"

#include <stddef.h>

static const struct option *
typed(const struct sl_options *options, const char *path, uint32_t type)
{
	const struct option *option = options_find(options, path);

	return option != NULL && option->type == type ? option : NULL;
}

const char *
sl_option_string(const struct sl_options *options, const char *path)
{
	return sl_option_at(options, path, 0);
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
	const struct option *option = options_find(options, path);

	if (option == NULL)
		return 0;
	return option->type == SL_OPTION_STRINGS ? option->count : option->set;
}

const char *
sl_option_at(const struct sl_options *options, const char *path, size_t index)
{
	const struct option *option = options_find(options, path);

	return option != NULL && index < option->count ? option->strings[index]
						       : NULL;
}

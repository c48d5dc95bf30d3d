/* options.h: a listener's options, checked against its plugin's table. */

#ifndef SLUICE_OPTIONS_H
#define SLUICE_OPTIONS_H

#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

/* One option, in the order of the plugin's table. */
struct option {
	char *name;
	uint32_t type;
	union {
		int64_t integer; /* INT, BOOL */
		double real;
		uint64_t amount; /* DURATION, SIZE */
	} value;
	char **strings; /* one for STRING and ADDRESS; any number for STRINGS */
	uint32_t count;
	bool set; /* by the config or by its default */
};

/*
 * What the plugin has asked for in vain, so that it is logged once: hashes, up
 * to some, since names may be made at run time.
 */
struct option_mistakes {
#define OPTION_MISTAKES_MAX 8
	uint64_t said[OPTION_MISTAKES_MAX];
	uint32_t count;
};

struct sl_options {
	struct option *options;
	uint32_t count;
	char *owner; /* for messages: listener "web": plugin "proxy" */
	struct option_mistakes *mistakes;
};

/* Called for each problem. */
typedef void options_problem(void *arg, const struct origin *origin,
    const char *text);

/*
 * Check the options of the config and fill in defaults.  Copies what it keeps.
 * Returns NULL after at least one problem was reported.
 */
struct sl_options *options_build(const struct sl_option *table,
    const struct listener_settings *listener, options_problem *problem,
    void *arg);
void options_free(struct sl_options *options);

/* Find an option by name, or NULL.  options and path may be NULL. */
const struct option *options_find(const struct sl_options *options,
    const char *path);

/* The name in the table that was probably meant, or NULL. */
const char *options_nearest(const struct sl_options *options, const char *path);

/* Where the config sets the option; if it does not, where the listener is. */
const struct origin *options_origin(const struct listener_settings *listener,
    const char *path);

/* "string", "duration", ... */
const char *options_type_name(uint32_t type);
/* What sluice.h has to read one: "sl_option_ms". */
const char *options_type_reader(uint32_t type);

#endif

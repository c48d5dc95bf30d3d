/* options.h: a listener's options, held against its plugin's table. */

#ifndef SLUICE_OPTIONS_H
#define SLUICE_OPTIONS_H

#include <sluice.h>
#include <stdint.h>

#include "config/settings.h"

/* Called for each mistake. */
typedef void options_problem(void *arg, const struct origin *origin,
    const char *text);

/*
 * Check the raw options and fill in defaults.  Copies what it keeps.  Returns
 * NULL after at least one problem was reported.
 */
struct sl_options *options_build(const struct sl_option *table,
    const struct listener_settings *listener, options_problem *problem,
    void *arg);
void options_free(struct sl_options *options);

/* Where the option stands in the config, or the listener if it does not. */
const struct origin *options_origin(const struct listener_settings *listener,
    const char *path);

/* "string", "duration", ... */
const char *options_type_name(uint32_t type);

#endif

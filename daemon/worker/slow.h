/*
 * slow.h: callbacks that took so long that the other connections of the worker
 * had to wait.
 */

#ifndef SLUICE_SLOW_H
#define SLUICE_SLOW_H

#include <stdint.h>

struct callback_context;

/*
 * Log that this callback, which has just returned, took so long; at a limited
 * rate.
 */
void slow_tell(const struct callback_context *context, uint64_t ms);

/* The same for "loading of FILE", for example; ms 0: it was not slow. */
void slow_tell_of(const char *what, uint64_t ms);

#endif

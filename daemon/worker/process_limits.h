/*
 * process_limits.h: the limits of the worker's process, which a plugin may have
 * lowered for all of it.
 */

#ifndef SLUICE_PROCESS_LIMITS_H
#define SLUICE_PROCESS_LIMITS_H

#include <stdbool.h>

/* Note what they are, before any plugin is loaded. */
void process_limits_note(void);

/*
 * Raise what has been lowered since, as far as that is allowed, and log it once.
 * Returns whether something was raised.
 */
bool process_limits_restore(void);

#endif

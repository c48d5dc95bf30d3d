/* health.h: whether the daemon serves, for load balancers and the like. */

#ifndef SLUICE_STATUS_HEALTH_H
#define SLUICE_STATUS_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Does every worker serve the generation that is in force, and every listener
 * listen?  By the answer to `status`.  false: why says what is missing.
 */
bool health_ready(const json_t *status, char *why, size_t size);

#endif

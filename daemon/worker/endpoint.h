/*
 * endpoint.h: what a connection is one of: the name that logs show, the limits
 * and timeouts that it is held to, and where it is counted.  It lies in what
 * makes the connections, a listener, and outlives all of them.
 */

#ifndef SLUICE_ENDPOINT_H
#define SLUICE_ENDPOINT_H

#include <stdint.h>

#include "base/log.h"

struct counts;
struct limit_settings;
struct timeout_settings;

struct endpoint {
	char *name; /* owned */
	/* Of the committed generation; a COMMIT changes them under the living. */
	const struct limit_settings *limits;
	const struct timeout_settings *timeouts;
	uint32_t slot;	       /* in the shared memory */
	struct counts *counts; /* there, of this worker */
	struct log_limit refused;
};

#endif

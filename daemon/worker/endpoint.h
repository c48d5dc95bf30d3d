/*
 * endpoint.h: what all connections of a listener share: the name that logs
 * show, their limits and timeouts, and where they are counted.  It is part of
 * what makes the connections, a listener, and outlives all of them.
 */

#ifndef SLUICE_ENDPOINT_H
#define SLUICE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "worker/pacer.h"

struct access_settings;
struct guard_settings;
struct limit_settings;
struct proxy_settings;
struct timeout_settings;

#define REFUSALS (COUNT_REFUSED_LAST - COUNT_REFUSED + 1)

/* Of lines about one reason: a flood of it hides no other. */
struct refusal_lines {
	struct log_limit limit;
	unsigned int reason; /* from COUNT_REFUSED on */
};

struct endpoint {
	char *name; /* owned */
	/*
	 * Of the committed generation.  A COMMIT changes these pointers while
	 * there are connections.
	 */
	const struct limit_settings *limits;
	const struct timeout_settings *timeouts;
	const struct proxy_settings *proxy;
	const struct guard_settings *guard;
	const struct access_settings *access;
	uint64_t ends; /* that have a line, or were left out of a sample */
	uint32_t slot; /* in the shared memory */
	struct counts *counts; /* there, of this worker */
	struct refusal_lines refused[REFUSALS];
	struct log_limit slow, unwanted; /* of lines about these */
	struct log_limit plugin_lines;	 /* of its plugin's own */
	struct pacer pacer[PACES];
	unsigned int connecting; /* outgoing connections, until they are made */
};

/* Do its connections have lines in the access log? */
bool endpoint_logs_access(const struct endpoint *endpoint);

/* May its plugin log one more line in this second? */
bool endpoint_lets_log(struct endpoint *endpoint);

/* Its limits of lines; done: it may be freed then. */
void endpoint_limit_lines(struct endpoint *endpoint);
void endpoint_lines_done(struct endpoint *endpoint);

/*
 * Its rates: be ready for them, 0 or -1 with ENOMEM; take over those of the
 * limits; and done.
 */
int endpoint_pace(struct endpoint *endpoint);
void endpoint_pace_configure(struct endpoint *endpoint);
void endpoint_pace_done(struct endpoint *endpoint);

/*
 * A line about it: "NAME: ", and what fmt says.  As json it is also found by the
 * member listener.
 */
void endpoint_log(const struct endpoint *endpoint, enum log_level level,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

/*
 * watchdog.h: callbacks that take too long.  A worker has one thread, so a
 * callback that does not return holds up all of its connections: after a while
 * that is logged, and after `watchdog` the worker is aborted.  Only the
 * watchdog ends a worker for being late, also one that a reload waits for.
 */

#ifndef SLUICE_MASTER_WATCHDOG_H
#define SLUICE_MASTER_WATCHDOG_H

#include <stdint.h>

struct event_base;
struct watchdog;
struct workers;

/* Both borrowed.  NULL: no memory. */
struct watchdog *watchdog_new(struct event_base *base, struct workers *workers);
void watchdog_free(struct watchdog *watchdog);

/*
 * How long the callback that runs there has been seen to run; 0: it has just
 * begun.
 */
uint64_t watchdog_lasted_ms(const struct watchdog *watchdog, uint32_t place);

#endif

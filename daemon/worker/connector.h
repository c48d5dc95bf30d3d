/*
 * connector.h: keeps the connection of a connector up.  It is made when the
 * connector begins, and again after each end, with growing waits in between.
 * The address, the waits and the plugin are those of its listener (listener.h).
 */

#ifndef SLUICE_CONNECTOR_H
#define SLUICE_CONNECTOR_H

#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>

struct connector;
struct listener;

/* Does nothing before connector_go().  NULL: ENOMEM. */
struct connector *connector_new(struct listener *listener);
/* Its connection is nobody's then, and goes on.  NULL is fine. */
void connector_free(struct connector *connector);

/*
 * Its listener has (new) settings: connect, or go on.  A connection to another
 * target is closed politely.  If it waits for its next attempt, and its target,
 * its waits or (`changed`) its service or TLS are new, that attempt comes at
 * once.
 */
void connector_go(struct connector *connector, bool changed);

/*
 * Connect no more, and give up an attempt that has not succeeded.  A connection
 * that is open stays.  connector_go() undoes this.
 */
void connector_stop(struct connector *connector, enum sl_why why);
bool connector_is_stopped(const struct connector *connector);

/* It is stopped and not wanted any more: close its connection politely. */
void connector_end(struct connector *connector, enum sl_why why);

/*
 * For the handler of a fault: end all open connections of connectors.  While the
 * kernel writes a core dump the process has them still, and its successor makes
 * new ones.
 */
void connectors_cut(void);

#endif

/*
 * status.h: what this worker serves just now, told to the master when it asks.
 */

#ifndef SLUICE_STATUS_H
#define SLUICE_STATUS_H

#include <stdint.h>

struct channel;

/* Looks at each connection once, so only on demand. */
void status_send(struct channel *channel, uint32_t serial);

#endif

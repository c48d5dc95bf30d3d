/* negotiate.h: which format a client prefers. */

#ifndef SLUICE_STATUS_NEGOTIATE_H
#define SLUICE_STATUS_NEGOTIATE_H

#include <stdbool.h>

/*
 * Would a client with this header Accept rather have OpenMetrics than plain
 * text?  NULL: it has no such header.  It must name OpenMetrics itself.
 */
bool negotiate_openmetrics(const char *accept);

#endif

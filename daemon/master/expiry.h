/*
 * expiry.h: certificates of the committed generation that end soon.  The reader
 * warns about them when it reads them, at start and reload.  In a daemon that
 * runs on without a reload, this module warns once a day.
 */

#ifndef SLUICE_MASTER_EXPIRY_H
#define SLUICE_MASTER_EXPIRY_H

#include <stdint.h>

struct event_base;
struct expiry;
struct settings;

#define EXPIRY_EVERY_MS (24u * 60 * 60 * 1000)

/*
 * `committed` returns the settings of the committed generation, or NULL; it is
 * called every every_ms after expiry_restart().  NULL: errno.
 */
struct expiry *expiry_new(struct event_base *base, uint64_t every_ms,
    const struct settings *(*committed)(void *arg), void *arg);
void expiry_free(struct expiry *expiry); /* NULL is fine */

/*
 * The reader has just looked at these certificates: the next look is every_ms
 * from now.
 */
void expiry_restart(struct expiry *expiry);

#endif

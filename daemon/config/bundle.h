/*
 * bundle.h: settings as bytes in a sealed memfd, which is how they travel from
 * the reader to the master and on to the workers.  Decoding trusts nothing.
 */

#ifndef SLUICE_BUNDLE_H
#define SLUICE_BUNDLE_H

struct error;
struct settings;

/* Returns a sealed, read-only memfd (CLOEXEC), owned by the caller, or -1. */
int bundle_write(const struct settings *settings, struct error *err);

/*
 * Returns new settings, owned by the caller, or NULL.  The descriptor stays the
 * caller's; its offset is not used.
 */
struct settings *bundle_read(int fd, struct error *err);

#endif

/*
 * loader.h: dlopen(3) of sealed memfds.  If glibc has something loaded under a
 * path, it returns that again.  So a descriptor stays open, and its number is
 * not used again, for as long as what was loaded from it is mapped.
 */

#ifndef SLUICE_LOADER_H
#define SLUICE_LOADER_H

#include <stdbool.h>

/*
 * Load what is behind fd; NULL: loader_error() says why.  Runs constructors.
 * own_first: look for names in it and in what it needs first (RTLD_DEEPBIND).
 */
void *loader_open(int fd, bool own_first);

/*
 * Unload it, and close its descriptor.  Returns NULL; or a new handle if it
 * stays mapped, and then the descriptor stays open.  handle may be NULL; fd is
 * -1 for what was not loaded from a descriptor.
 */
void *loader_close(void *handle, int fd);

/* The loader's last error, without the path of fd in front. */
const char *loader_error(int fd);

#endif

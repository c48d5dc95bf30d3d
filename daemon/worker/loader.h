/*
 * loader.h: dlopen(3) of sealed memfds.  glibc hands out what it has under a
 * path, so a descriptor stays open, and its number taken, for as long as what
 * was loaded from it is mapped.
 */

#ifndef SLUICE_LOADER_H
#define SLUICE_LOADER_H

/* Load what is behind fd; NULL: loader_error() says why.  Runs constructors. */
void *loader_open(int fd);

/*
 * Unload it, and close its descriptor.  Returns NULL, or a handle again when it
 * stays mapped; the descriptor is open then.  handle NULL, or fd -1 for what
 * was not loaded from one, are fine.
 */
void *loader_close(void *handle, int fd);

/* What went wrong last, without the name that fd has for the loader. */
const char *loader_error(int fd);

#endif

/*
 * system_libraries.h: the libraries that every program of this machine finds:
 * those of ld.so.cache, of the loader's own directories, and those that are
 * loaded in this process.  Whoever can change these is trusted like root.
 */

#ifndef SLUICE_SYSTEM_LIBRARIES_H
#define SLUICE_SYSTEM_LIBRARIES_H

#include <stdbool.h>
#include <stddef.h>

struct system_libraries {
	char *cache; /* ld.so.cache, or NULL */
	size_t cache_size;
	char **dirs; /* NULL at the end */
};

/* What cannot be read counts as missing. */
void system_libraries_open(struct system_libraries *libraries);
void system_libraries_close(struct system_libraries *libraries);

/* The file of a library, owned by the caller, or NULL. */
char *system_libraries_find(const struct system_libraries *libraries,
    const char *name);

/* Does the file look as if this machine's loader could load it? */
bool system_libraries_fits(const char *path);

#endif

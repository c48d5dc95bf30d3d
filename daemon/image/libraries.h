/*
 * libraries.h: the libraries that belong to a plugin: all that it needs,
 * directly or not, except those of the system.  They are found as the loader
 * would find them for the file on disk, since the loader itself gets a memfd,
 * which lies in no directory.
 */

#ifndef SLUICE_LIBRARIES_H
#define SLUICE_LIBRARIES_H

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"

struct error;

#define LIBRARIES_MAX 64 /* of one plugin */

struct library_file {
	char *name;	    /* the name that it is needed by */
	bool named;	    /* the name is its DT_SONAME; else it has none */
	char *path;	    /* its file */
	struct image image; /* fd -1: it is the system's */
};

struct libraries {
	struct library_file *list; /* each after those that it needs */
	uint32_t count;
	char *soname; /* what the plugin calls itself, or NULL */
};

struct library_ops {
	/*
	 * Open a file as open_file() does.  -1 with one sentence that begins
	 * with its path.
	 */
	int (*open)(void *arg, const char *path, struct error *err);
	/* Called with each file that would be used if it existed; or NULL. */
	void (*on_candidate)(void *arg, const char *path);
};

/*
 * Find and copy the libraries of the plugin in `image`, whose file is open as
 * `file`; make them part of image->hash.  path is for messages.  0, or -1 with
 * one sentence that begins with path or that of a library.
 */
int libraries_find(const char *path, int file, struct image *image,
    const struct library_ops *ops, void *arg, struct libraries *ret,
    struct error *err);
void libraries_done(struct libraries *libraries);

#endif

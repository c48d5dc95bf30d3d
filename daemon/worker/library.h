/*
 * library.h: the libraries of plugins in this process.  All that a plugin needs
 * is loaded before it, so that the loader, which takes what it has under a
 * name, never looks for it on disk.
 */

#ifndef SLUICE_LIBRARY_H
#define SLUICE_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/settings.h"
#include "worker/image_map.h"

struct error;

/* What to load.  All borrowed. */
struct library_image {
	const char *name;    /* by which it is needed */
	const char *path;    /* the operator's file, for messages */
	const uint8_t *hash; /* IMAGE_HASH_SIZE; not of the system's */
	int fd;		     /* sealed; -1: it is the system's */
};

struct library {
	LIST_ENTRY(library) link;
	char *name;
	uint8_t hash[IMAGE_HASH_SIZE];
	int fd; /* kept open while it is mapped; -1: it is the system's */
	void *handle;
	struct image_map map; /* empty for one of the system */
	struct link_map *link_map;
	char *lent; /* the name that the loader has for it otherwise */
	unsigned int refs;
};

/*
 * Load it, or find it loaded already.  What it needs itself must have been
 * loaded before.  for_plugin is the file of the plugin, for messages.  Returns
 * a reference, or NULL with one sentence: among others when there is something
 * else of this name in the process.
 */
struct library *library_load(const struct library_image *image,
    const char *for_plugin, struct error *err);
/*
 * A library without a soname answers to no name.  From the one call to the
 * other it answers to the one by which it is needed.
 */
void library_lend_name(struct library *library);
void library_return_name(struct library *library);

/* With the last reference it is unloaded, if it can be; else it stays known. */
void library_unref(struct library *library);

/*
 * As for plugins: the one that is mapped there, or NULL; the one being loaded.
 */
const struct library *library_at(const void *address);
const struct library *library_loading(void);

#endif

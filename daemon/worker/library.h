/*
 * library.h: the libraries of plugins in this process.  Every library that a
 * plugin needs is loaded before the plugin.  The loader then uses the loaded
 * library of that name and never looks for it on disk.
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
	const char *name;    /* by which the plugin needs it */
	const char *path;    /* the operator's file, for messages */
	const uint8_t *hash; /* IMAGE_HASH_SIZE; unused if fd is -1 */
	int fd;		     /* sealed; -1: a library of the system */
};

struct library {
	LIST_ENTRY(library) link;
	char *name;
	uint8_t hash[IMAGE_HASH_SIZE];
	int fd; /* kept open while mapped; -1: a library of the system */
	void *handle;
	struct image_map map; /* empty for a library of the system */
	struct link_map *link_map;
	char *lent; /* the loader's own name for it, while another is lent */
	unsigned int refs;
};

/*
 * Load the library, or find it loaded already.  The libraries that it needs
 * must have been loaded before; they are among the `count` others, which belong
 * to the same plugin.  for_plugin is the file of the plugin, for
 * messages.  Returns a reference, or NULL with one sentence in err.  It fails,
 * among other reasons, if the process has something else loaded under this
 * name.
 */
struct library *library_load(const struct library_image *image,
    const char *for_plugin, struct library *const *others, uint32_t count,
    struct error *err);
/*
 * The loader cannot find a loaded library that has no soname.  Between these
 * two calls it finds the library under the name by which the plugin needs it.
 */
void library_lend_name(struct library *library);
void library_return_name(struct library *library);

/*
 * After the last reference the library is unloaded.  If the loader keeps it, it
 * stays in the list.
 */
void library_unref(struct library *library);

/*
 * The library that is mapped at this address, or NULL.  The library that is
 * being loaded or unloaded, or NULL.  See plugin_at() and plugin_loading().
 */
const struct library *library_at(const void *address);
const struct library *library_loading(void);

#endif

/*
 * plugin.h: plugin images in this process: loaded once for each content,
 * shared by the services that use it.  The one home of dlfcn.
 */

#ifndef SLUICE_PLUGIN_H
#define SLUICE_PLUGIN_H

#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "image_map.h"
#include "settings.h"

struct error;

struct plugin {
	LIST_ENTRY(plugin) link;
	uint8_t hash[IMAGE_HASH_SIZE];
	int fd; /* kept open while the image is mapped */
	void *handle;
	const struct sl_plugin *exported; /* in the image */
	const void *base; /* where the image is mapped */
	struct image_map map; /* the same, by segments */
	/* Copies of the image's, whole whatever size it knew. */
	struct sl_plugin descriptor;
	struct sl_handlers server, client;
	unsigned int refs;
	bool kept; /* unused, but mapped for ever, and this was logged */
};

/*
 * Load the image behind fd, or find it loaded already.  path is the operator's
 * file, for messages.  fd is taken over, also on failure.  Runs the image's
 * constructors.  Returns a reference, or NULL with one sentence.
 */
struct plugin *plugin_load(int fd, const uint8_t hash[IMAGE_HASH_SIZE],
    const char *path, struct error *err);
void plugin_unref(struct plugin *plugin);

/* How much of the image lies there: see image_map_room(). */
size_t plugin_room(const struct plugin *plugin, const void *at,
    unsigned int flags);

/*
 * The image that is mapped there, or NULL; and the one whose constructors or
 * destructors may run just now, of which only fd and hash are known.  Also from a signal
 * handler.
 */
const struct plugin *plugin_at(const void *base);
const struct plugin *plugin_loading(void);

/*
 * Unload what nothing refers to and what may be unloaded.  Called from the
 * loop only, never under a callback.
 */
void plugin_unload_unused(void);

#endif

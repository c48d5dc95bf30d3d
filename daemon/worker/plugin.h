/*
 * plugin.h: plugin images in this process: loaded once for each content,
 * shared by the services that use it.
 */

#ifndef SLUICE_PLUGIN_H
#define SLUICE_PLUGIN_H

#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/settings.h"
#include "worker/image_map.h"
#include "worker/library.h"

struct error;

struct plugin {
	LIST_ENTRY(plugin) link;
	uint8_t hash[IMAGE_HASH_SIZE];
	int fd; /* kept open while the image is mapped */
	void *handle;
	const struct sl_plugin *exported; /* in the image */
	struct image_map map;		  /* where the image is */
	struct library **libraries; /* references, in the order of loading */
	uint32_t library_count;
	/* Copies from the image; members that it does not know are zero. */
	struct sl_plugin descriptor;
	struct sl_handlers server, client;
	unsigned int refs;
	bool kept; /* unused but still mapped, and that was logged */
};

/* What to load. */
struct plugin_image {
	const char *path;    /* the operator's file, for messages */
	const uint8_t *hash; /* IMAGE_HASH_SIZE */
	int fd;
	const struct library_image *libraries; /* each after those it needs */
	uint32_t library_count;
};

/*
 * Load the image with its libraries, or find it loaded already.  Takes
 * image->fd over, also on failure.  Runs constructors.  Returns a reference, or
 * NULL with one sentence in err.
 */
struct plugin *plugin_load(const struct plugin_image *image, struct error *err);
void plugin_unref(struct plugin *plugin);

/* As image_map_room(), for the image and its own libraries. */
size_t plugin_room(const struct plugin *plugin, const void *at,
    unsigned int flags);

/*
 * The plugin that is mapped at this address, or NULL.  The plugin whose
 * constructors or destructors may be running now, or NULL; only its fd and hash
 * are sure to be set.  Both are safe in a signal handler.
 */
const struct plugin *plugin_at(const void *address);
const struct plugin *plugin_loading(void);

/*
 * Unload the plugins that nothing refers to and that may be unloaded.  Called
 * only from the event loop, never under a callback.
 */
void plugin_unload_unused(void);

#endif

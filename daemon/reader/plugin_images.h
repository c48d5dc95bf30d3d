/* plugin_images.h: the images of the settings: each content once. */

#ifndef SLUICE_PLUGIN_IMAGES_H
#define SLUICE_PLUGIN_IMAGES_H

#include <stdint.h>

struct error;
struct image;
struct libraries;
struct plugin_files;
struct settings;

/*
 * A plugin, with its libraries, in settings->images and files; takes over the
 * descriptors that it keeps.  Refuses one that cannot be in one process with
 * the others.  0, or -1 with one sentence.
 */
int plugin_images_keep(struct settings *settings, struct plugin_files *files,
    const char *path, struct image *image, struct libraries *libraries,
    uint32_t *ret_index, struct error *err);

#endif

/* plugin_files.h: the plugin files that the settings name, as images. */

#ifndef SLUICE_PLUGIN_FILES_H
#define SLUICE_PLUGIN_FILES_H

#include <stdint.h>

struct image;
struct problems;
struct settings;

struct plugin_files {
	struct image *images; /* owned; as many as settings->image_count */
	uint32_t count;
};

/*
 * Open each listener's plugin once, with the libraries that belong to it, and
 * fill in settings->images and the listeners' image.  config is the main file:
 * paths are relative to it.  What cannot be a plugin is a problem at its
 * `plugin` key.
 */
void plugin_files_open(const char *config, struct settings *settings,
    struct problems *problems, struct plugin_files *ret);
void plugin_files_close(struct plugin_files *files);

/*
 * Keep a copy NAME.HASH8.so of each image, also of libraries, in
 * settings->plugin_copies, so that a debugger finds the code that is or was in
 * memory.  A file that has this name and other bytes stays, and the copy has the
 * whole hash in its name.  Only warns.
 */
void plugin_files_copy(const struct settings *settings,
    const struct plugin_files *files, struct problems *problems);

#endif

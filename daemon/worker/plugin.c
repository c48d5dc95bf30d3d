/*
 * plugin.c: plugin images in this process.  An image is loaded from its sealed
 * memfd, never from the operator's path.  For a path it knows, glibc would
 * return the old code; and a file that is overwritten in place crashes every
 * process that has it mapped.
 */

#include "worker/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "image/image.h"
#include "worker/binding.h"
#include "worker/descriptor.h"
#include "worker/loader.h"

static LIST_HEAD(, plugin) plugins = LIST_HEAD_INITIALIZER(plugins);
static bool unused; /* some plugin has no references */
static const struct plugin *loading;

/* Did the loader give us new code, not something that was loaded already? */
static int
check_fresh(const struct plugin *plugin, const char *path, struct error *err)
{
	const struct plugin *other;

	LIST_FOREACH(other, &plugins, link)
		if (other->handle == plugin->handle ||
		    other->exported == plugin->exported)
			return error_set(err,
			    "%s: the loader returned "
			    "code that was loaded already",
			    path);
	return 0;
}

/* Symbols may be bound to the plugin, its libraries and the daemon's API. */
static bool
is_fine(const void *plugin, const void *at)
{
	return plugin_room(plugin, at, 0) > 0 || image_map_is_call(at);
}

static int
load_libraries(struct plugin *plugin, const struct plugin_image *image,
    struct error *err)
{
	struct library *library;

	plugin->libraries =
	    calloc(image->library_count + 1, sizeof(struct library *));
	if (plugin->libraries == NULL)
		return error_set(err, "%s: out of memory", image->path);
	for (uint32_t i = 0; i < image->library_count; i++) {
		library = library_load(&image->libraries[i], image->path,
		    plugin->libraries, plugin->library_count, err);
		if (library == NULL)
			return -1;
		plugin->libraries[plugin->library_count++] = library;
		library_lend_name(library);
	}
	return 0;
}

/* In reverse order: two entries may be one library under two names. */
static void
return_names(const struct plugin *plugin)
{
	for (uint32_t i = plugin->library_count; i > 0; i--)
		library_return_name(plugin->libraries[i - 1]);
}

static int
load(struct plugin *plugin, const struct plugin_image *image, struct error *err)
{
	const char *path = image->path;

	plugin->handle = loader_open(plugin->fd,
	    binding_passes_over(plugin->fd, plugin->libraries,
		plugin->library_count));
	if (plugin->handle == NULL)
		return error_set(err, "%s: cannot be loaded: %s", path,
		    loader_error(plugin->fd));
	plugin->exported = dlsym(plugin->handle, "sl_plugin");
	if (plugin->exported == NULL)
		return error_set(err,
		    "%s: is not a plugin: it exports no "
		    "\"sl_plugin\"; is SL_PLUGIN() missing?",
		    path);
	if (image_map_find(plugin->handle, &plugin->map) == -1)
		return error_set(err, "%s: the loader does not say where it is",
		    path);
	if (check_fresh(plugin, path, err) == -1 ||
	    descriptor_take(plugin, path, err) == -1)
		return -1;
	return binding_check(plugin->fd, &plugin->map, is_fine, plugin, path,
	    err);
}

/* Unload it, then its libraries.  Returns true if it is unloaded and freed. */
static bool
release(struct plugin *plugin)
{
	loading = plugin; /* its destructors may crash too */
	plugin->handle = loader_close(plugin->handle, plugin->fd);
	loading = NULL;
	if (plugin->handle != NULL)
		return false;
	while (plugin->library_count > 0)
		library_unref(plugin->libraries[--plugin->library_count]);
	free(plugin->libraries);
	free(plugin);
	return true;
}

struct plugin *
plugin_load(const struct plugin_image *image, struct error *err)
{
	struct plugin *plugin;
	int result;

	LIST_FOREACH(plugin, &plugins, link) {
		if (memcmp(plugin->hash, image->hash, IMAGE_HASH_SIZE) == 0) {
			close(image->fd);
			plugin->refs++;
			plugin->kept = false;
			return plugin;
		}
	}
	plugin = calloc(1, sizeof(*plugin));
	if (plugin == NULL) {
		error_set(err, "%s: out of memory", image->path);
		close(image->fd);
		return NULL;
	}
	memcpy(plugin->hash, image->hash, IMAGE_HASH_SIZE);
	plugin->fd = image->fd;
	plugin->refs = 1;
	loading = plugin;
	result = load_libraries(plugin, image, err);
	if (result == 0)
		result = load(plugin, image, err);
	loading = NULL;
	return_names(plugin);
	if (result == -1) {
		release(plugin);
		return NULL;
	}
	LIST_INSERT_HEAD(&plugins, plugin, link);
	return plugin;
}

void
plugin_unref(struct plugin *plugin)
{
	if (plugin != NULL && --plugin->refs == 0)
		unused = true;
}

size_t
plugin_room(const struct plugin *plugin, const void *at, unsigned int flags)
{
	size_t room = image_map_room(&plugin->map, at, flags);

	for (uint32_t i = 0; room == 0 && i < plugin->library_count; i++)
		room = image_map_room(&plugin->libraries[i]->map, at, flags);
	return room;
}

const struct plugin *
plugin_at(const void *address)
{
	const struct plugin *plugin;

	LIST_FOREACH(plugin, &plugins, link)
		if (image_map_room(&plugin->map, address, 0) > 0)
			return plugin;
	return NULL;
}

const struct plugin *
plugin_loading(void)
{
	return loading;
}

/* A text that names the image, which must still be mapped. */
#define LABEL_MAX 128
static void
label(const struct plugin *plugin, char text[LABEL_MAX])
{
	char hash[9];

	image_short_hash(plugin->hash, hash);
	snprintf(text, LABEL_MAX, "%s (%s%s%s)", hash, plugin->descriptor.name,
	    plugin->descriptor.version[0] != '\0' ? " " : "",
	    plugin->descriptor.version);
}

/*
 * Log that an unused image stays mapped: without SL_UNLOADABLE, state that it
 * made may point into it.  It stays in the list, because a later generation may
 * use the same image again.
 */
static void
keep_mapped(struct plugin *plugin)
{
	const struct plugin *other;
	unsigned int count = 0;
	char text[LABEL_MAX];

	LIST_FOREACH(other, &plugins, link)
		if (other->refs == 0 && other->kept)
			count++;
	if (plugin->kept)
		return;
	plugin->kept = true;
	label(plugin, text);
	count++;
	log_info("plugin image %s is no longer used, but stays in memory; "
		 "unused images in memory: %u",
	    text, count);
}

/* Returns true if the image is unloaded and the plugin freed. */
static bool
unload(struct plugin *plugin)
{
	char text[LABEL_MAX];

	label(plugin, text);
	LIST_REMOVE(plugin, link);
	if (release(plugin)) {
		log_debug("plugin image %s unloaded", text);
		return true;
	}
	LIST_INSERT_HEAD(&plugins, plugin, link);
	log_warnx("plugin image %s calls itself unloadable but stays "
		  "mapped",
	    text);
	plugin->descriptor.flags &= ~SL_UNLOADABLE;
	return false;
}

void
plugin_unload_unused(void)
{
	struct plugin *plugin, *next;

	if (!unused)
		return;
	unused = false;
	for (plugin = LIST_FIRST(&plugins); plugin != NULL; plugin = next) {
		next = LIST_NEXT(plugin, link);
		if (plugin->refs > 0)
			continue;
		if (!(plugin->descriptor.flags & SL_UNLOADABLE) ||
		    !unload(plugin))
			keep_mapped(plugin);
	}
}

/*
 * plugin.c: plugin images in this process.  An image is loaded from its sealed
 * memfd, never from the operator's path: glibc would hand out old code for a
 * path it knows, and a file overwritten in place kills whoever has it mapped.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binding.h"
#include "descriptor.h"
#include "error.h"
#include "image.h"
#include "log.h"
#include "plugin.h"

static LIST_HEAD(, plugin) plugins = LIST_HEAD_INITIALIZER(plugins);
static bool unused; /* some plugin has no references */
static const struct plugin *loading;

/* dlopen() names the file as we do; the operator knows another name. */
static int
dl_failed(const char *path, const char *ours, struct error *err)
{
	const char *text = dlerror();
	size_t len = strlen(ours);

	if (text == NULL)
		text = "unknown error";
	if (strncmp(text, ours, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	return error_set(err, "%s: cannot be loaded: %s", path, text);
}

/* glibc gave us new code, not something it had already. */
static int
check_fresh(const struct plugin *plugin, const char *path, struct error *err)
{
	const struct plugin *other;

	LIST_FOREACH(other, &plugins, link)
		if (other->handle == plugin->handle ||
		    other->exported == plugin->exported)
			return error_set(err, "%s: the loader returned the "
			    "code that is loaded already", path);
	return 0;
}

/* What it defines may be bound to that. */
static bool
is_fine(const void *plugin, const void *at)
{
	return plugin_room(plugin, at, 0) > 0 || image_map_is_call(at);
}

struct plugin *
plugin_load(int fd, const uint8_t hash[IMAGE_HASH_SIZE], const char *path,
    struct error *err)
{
	char ours[64];
	struct plugin *plugin;
	Dl_info info;

	LIST_FOREACH(plugin, &plugins, link) {
		if (memcmp(plugin->hash, hash, IMAGE_HASH_SIZE) == 0) {
			close(fd);
			plugin->refs++;
			plugin->kept = false;
			return plugin;
		}
	}
	plugin = calloc(1, sizeof(*plugin));
	if (plugin == NULL) {
		error_set(err, "%s: out of memory", path);
		close(fd);
		return NULL;
	}
	memcpy(plugin->hash, hash, IMAGE_HASH_SIZE);
	plugin->fd = fd;
	plugin->refs = 1;
	/* By pid, so that a debugger that looks there finds it as well. */
	snprintf(ours, sizeof(ours), "/proc/%d/fd/%d", (int)getpid(), fd);
	loading = plugin;
	plugin->handle = dlopen(ours, RTLD_NOW | RTLD_LOCAL);
	loading = NULL;
	if (plugin->handle == NULL) {
		dl_failed(path, ours, err);
		goto fail;
	}
	plugin->exported = dlsym(plugin->handle, "sl_plugin");
	if (plugin->exported == NULL) {
		error_set(err, "%s: is not a plugin: it exports no "
		    "\"sl_plugin\"; is SL_PLUGIN() missing?", path);
		goto fail;
	}
	if (image_map_find(plugin->handle, &plugin->map) == -1) {
		error_set(err, "%s: the loader does not say where it is", path);
		goto fail;
	}
	if (check_fresh(plugin, path, err) == -1 ||
	    descriptor_take(plugin, path, err) == -1 ||
	    binding_check(plugin->fd, &plugin->map, is_fine, plugin, path,
		err) == -1)
		goto fail;
	if (dladdr(plugin->exported, &info) != 0)
		plugin->base = info.dli_fbase;
	LIST_INSERT_HEAD(&plugins, plugin, link);
	return plugin;

fail:
	if (plugin->handle != NULL)
		dlclose(plugin->handle);
	close(plugin->fd);
	free(plugin);
	return NULL;
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
	return image_map_room(&plugin->map, at, flags);
}

const struct plugin *
plugin_at(const void *base)
{
	const struct plugin *plugin;

	LIST_FOREACH(plugin, &plugins, link)
		if (plugin->base == base)
			return plugin;
	return NULL;
}

const struct plugin *
plugin_loading(void)
{
	return loading;
}

/* Did dlclose() really unmap it? */
static bool
still_mapped(const struct plugin *plugin)
{
	Dl_info info;

	return dladdr(plugin->exported, &info) != 0;
}

/* Which image, for people; it must still be mapped. */
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
 * Without the promise it stays mapped, and known: state it made may point into
 * it, and the same bytes may come back.
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
	log_info("plugin image %s is no longer used, but stays in memory; so "
		 "many do: %u", text, count);
}

/* Returns true when it is gone, and the plugin with it. */
static bool
unload(struct plugin *plugin)
{
	char text[LABEL_MAX];

	label(plugin, text);
	loading = plugin;
	dlclose(plugin->handle);
	loading = NULL;
	if (still_mapped(plugin)) {
		log_warnx("plugin image %s calls itself unloadable but stays "
			  "mapped", text);
		plugin->descriptor.flags &= ~SL_UNLOADABLE;
		plugin->handle = NULL;
		return false;
	}
	log_debug("plugin image %s unloaded", text);
	LIST_REMOVE(plugin, link);
	close(plugin->fd);
	free(plugin);
	return true;
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

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

#include "error.h"
#include "image.h"
#include "log.h"
#include "plugin.h"

static LIST_HEAD(, plugin) plugins = LIST_HEAD_INITIALIZER(plugins);
static bool unused; /* some plugin has no references */

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

/* Copy a struct that begins with its size as far as both sides know it. */
static void
copy_handlers(struct sl_handlers *to, const struct sl_handlers *from)
{
	size_t size = from->size < sizeof(*to) ? from->size : sizeof(*to);

	memcpy(to, from, size);
	to->size = sizeof(*to);
}

#define HAS(handlers, member)                                          \
	((handlers)->size >= offsetof(struct sl_handlers, member) +    \
		    sizeof((handlers)->member) &&                      \
	    (handlers)->member != NULL)

static int
check_handlers(const struct sl_handlers *handlers, const char *which,
    const char *path, struct error *err)
{
	if (!HAS(handlers, data) && !HAS(handlers, drain))
		return error_set(err,
		    "%s: its %s handlers have neither data nor drain", path,
		    which);
	return 0;
}

static int
check_options(const struct sl_option *table, const char *path,
    struct error *err)
{
	for (; table != NULL && table->name != NULL; table++)
		if (table->type < SL_OPTION_STRING ||
		    table->type > SL_OPTION_STRINGS)
			return error_set(err,
			    "%s: its option \"%s\" has the unknown type %u",
			    path, table->name, table->type);
	return 0;
}

/* Is the exported descriptor one of ours?  Fills the copies. */
static int
take_descriptor(struct plugin *plugin, const char *path, struct error *err)
{
	const struct sl_plugin *d = plugin->exported;
	size_t size = offsetof(struct sl_plugin, name);

	if (d->abi != SL_ABI)
		return error_set(err,
		    "%s: was built for plugin ABI %u, this daemon has %u; "
		    "rebuild it with this daemon's sluice.h", path, d->abi,
		    SL_ABI);
	if (d->size < offsetof(struct sl_plugin, client) + sizeof(d->client))
		return error_set(err,
		    "%s: its descriptor says it has %u bytes, but ABI %u "
		    "begins with %zu", path, d->size, SL_ABI,
		    offsetof(struct sl_plugin, client) + sizeof(d->client));
	size = d->size < sizeof(*d) ? d->size : sizeof(*d);
	memcpy(&plugin->descriptor, d, size);
	plugin->descriptor.size = sizeof(*d);
	d = &plugin->descriptor;
	if (d->name == NULL || d->name[0] == '\0')
		return error_set(err, "%s: its descriptor has no name", path);
	if (d->version == NULL)
		plugin->descriptor.version = "";
	if (d->server == NULL)
		return error_set(err, "%s: its descriptor has no server "
		    "handlers", path);
	if (check_handlers(d->server, "server", path, err) == -1 ||
	    check_options(d->options, path, err) == -1)
		return -1;
	copy_handlers(&plugin->server, d->server);
	copy_handlers(&plugin->client, d->server);
	if (d->client != NULL) {
		if (check_handlers(d->client, "client", path, err) == -1)
			return -1;
		plugin->client = (struct sl_handlers){ 0 };
		copy_handlers(&plugin->client, d->client);
	}
	return 0;
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

struct plugin *
plugin_load(int fd, const uint8_t hash[IMAGE_HASH_SIZE], const char *path,
    struct error *err)
{
	char ours[64];
	struct plugin *plugin;

	LIST_FOREACH(plugin, &plugins, link) {
		if (memcmp(plugin->hash, hash, IMAGE_HASH_SIZE) == 0) {
			close(fd);
			plugin->refs++;
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
	plugin->handle = dlopen(ours, RTLD_NOW | RTLD_LOCAL);
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
	if (check_fresh(plugin, path, err) == -1 ||
	    take_descriptor(plugin, path, err) == -1)
		goto fail;
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

/* Did dlclose() really unmap it? */
static bool
still_mapped(const struct plugin *plugin)
{
	Dl_info info;

	return dladdr(plugin->exported, &info) != 0;
}

void
plugin_unload_unused(void)
{
	struct plugin *plugin, *next;
	char hash[9];

	if (!unused)
		return;
	unused = false;
	for (plugin = LIST_FIRST(&plugins); plugin != NULL; plugin = next) {
		next = LIST_NEXT(plugin, link);
		/*
		 * Without the promise it stays mapped, and known: state it
		 * made may point into it, and the same bytes may come back.
		 */
		if (plugin->refs > 0 ||
		    !(plugin->descriptor.flags & SL_UNLOADABLE))
			continue;
		image_short_hash(plugin->hash, hash);
		dlclose(plugin->handle);
		if (still_mapped(plugin)) {
			log_warnx("plugin %s (image %s) calls itself unloadable "
			    "but stays mapped", plugin->descriptor.name, hash);
			plugin->descriptor.flags &= ~SL_UNLOADABLE;
			plugin->handle = NULL;
			continue;
		}
		log_debug("plugin image %s unloaded", hash);
		LIST_REMOVE(plugin, link);
		close(plugin->fd);
		free(plugin);
	}
}

/*
 * plugin.c: plugin images in this process.  An image is loaded from its sealed
 * memfd, never from the operator's path: glibc would hand out old code for a
 * path it knows, and a file overwritten in place kills whoever has it mapped.
 */

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
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

/* For dl_iterate_phdr(): is an address in something that is executed? */
struct place {
	ElfW(Addr) address;
	bool code;
};

static int
look_at_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *place = arg;
	const ElfW(Phdr) * segment;
	unsigned int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		segment = &info->dlpi_phdr[i];
		if (segment->p_type != PT_LOAD ||
		    place->address - info->dlpi_addr - segment->p_vaddr >=
			segment->p_memsz)
			continue;
		place->code = segment->p_flags & PF_X;
		return 1;
	}
	return 0;
}

/* Is it data, of this image, and large enough to be looked at? */
static int
check_place(const struct plugin *plugin, const char *path, struct error *err)
{
	struct place place = { (ElfW(Addr))plugin->exported, false };
	struct link_map *of_symbol = NULL, *of_image = NULL;
	const struct sl_plugin *d = plugin->exported;
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;

	if (dlinfo(plugin->handle, RTLD_DI_LINKMAP, &of_image) == -1 ||
	    dladdr1(d, &info, (void **)&of_symbol, RTLD_DL_LINKMAP) == 0 ||
	    dladdr1(d, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 ||
	    symbol == NULL || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT)
		return error_set(err,
		    "%s: is not a plugin: its \"sl_plugin\" is not plain "
		    "data; SL_PLUGIN() makes it", path);
	if (of_symbol != of_image)
		return error_set(err,
		    "%s: is not a plugin: its \"sl_plugin\" is that of "
		    "another file it needs", path);
	dl_iterate_phdr(look_at_segments, &place);
	if (place.code)
		return error_set(err,
		    "%s: is not a plugin: its \"sl_plugin\" lies among the "
		    "code; SL_PLUGIN() puts it where data is", path);
	if (symbol->st_size < offsetof(struct sl_plugin, name) ||
	    (d->abi == SL_ABI && symbol->st_size < d->size))
		return error_set(err,
		    "%s: its descriptor has %zu bytes, less than it says",
		    path, (size_t)symbol->st_size);
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
	if (check_fresh(plugin, path, err) == -1 ||
	    check_place(plugin, path, err) == -1 ||
	    take_descriptor(plugin, path, err) == -1)
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
	dlclose(plugin->handle);
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

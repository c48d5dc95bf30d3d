/* library.c: loads libraries; a process has only one library of each name. */

#include "worker/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "image/image.h"
#include "worker/binding.h"
#include "worker/loader.h"
#include "worker/plugin.h"

static LIST_HEAD(, library) libraries = LIST_HEAD_INITIALIZER(libraries);
static const struct library *loading;

const struct library *
library_at(const void *address)
{
	const struct library *library;

	LIST_FOREACH(library, &libraries, link)
		if (image_map_room(&library->map, address, 0) > 0)
			return library;
	return NULL;
}

const struct library *
library_loading(void)
{
	return loading;
}

static struct library *
find(const struct library_image *image)
{
	struct library *library;

	LIST_FOREACH(library, &libraries, link)
		if (strcmp(library->name, image->name) == 0 &&
		    (library->fd != -1) == (image->fd != -1) &&
		    (image->fd == -1 ||
			memcmp(library->hash, image->hash, IMAGE_HASH_SIZE) ==
			    0))
			return library;
	return NULL;
}

/* Where the loaded object of this name begins, or NULL.  Loads nothing. */
static const void *
answers(const char *name)
{
	void *handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
	const void *begin = NULL;
	struct image_map map;

	if (handle == NULL)
		return NULL;
	if (image_map_find(handle, &map) == 0)
		begin = image_map_begin(&map);
	dlclose(handle);
	return begin;
}

/* If something else is loaded under this name, the plugin would get that. */
static int
check_name(const struct library_image *image, const char *for_plugin,
    struct error *err)
{
	const void *begin = answers(image->name);
	const struct library *library = library_at(begin);
	const struct plugin *plugin = plugin_at(begin);
	char hash[9], place[PLACE_TEXT_MAX];

	if (begin == NULL ||
	    (image->fd == -1 && library == NULL && plugin == NULL))
		return 0;
	if (library != NULL)
		snprintf(place, sizeof(place),
		    "another version of it, image "
		    "%s, is loaded",
		    image_short_hash(library->hash, hash));
	else if (plugin != NULL)
		snprintf(place, sizeof(place),
		    "the plugin \"%.100s\" is "
		    "loaded under that name",
		    plugin->descriptor.name);
	else
		snprintf(place, sizeof(place),
		    "sluiced itself uses a library "
		    "of that name");
	return error_set(err,
	    "%s: cannot be loaded: it needs %s (%s), but %s, and a process can "
	    "have only one library of each name; link it into the plugin "
	    "statically, or give the new one another soname",
	    for_plugin, image->name, image->path, place);
}

static bool
is_fine(const void *arg, const void *at)
{
	const struct library *library = arg;

	return image_map_room(&library->map, at, 0) > 0 ||
	    image_map_is_call(at);
}

/* The loader also compares the name that it looks for with l_name. */
void
library_lend_name(struct library *library)
{
	if (library->fd == -1 || library->lent != NULL ||
	    answers(library->name) == image_map_begin(&library->map))
		return;
	library->lent = library->link_map->l_name;
	library->link_map->l_name = library->name;
}

void
library_return_name(struct library *library)
{
	if (library->lent != NULL)
		library->link_map->l_name = library->lent;
	library->lent = NULL;
}

/*
 * Will the loader find this library under its name?  Are its symbols its own?
 */
static int
check_loaded(struct library *library, const char *path, struct error *err)
{
	bool found;

	if (dlinfo(library->handle, RTLD_DI_LINKMAP, &library->link_map) ==
		-1 ||
	    image_map_find(library->handle, &library->map) == -1)
		return error_set(err, "%s: the loader does not say where it is",
		    path);
	library_lend_name(library);
	found = answers(library->name) == image_map_begin(&library->map);
	library_return_name(library);
	if (!found)
		return error_set(err, "%s: the loader does not know it as %s",
		    path, library->name);
	return binding_check(library->fd, &library->map, is_fine, library, path,
	    err);
}

static int
load(struct library *library, const struct library_image *image,
    const char *for_plugin, struct library *const *others, uint32_t count,
    struct error *err)
{
	if (check_name(image, for_plugin, err) == -1)
		return -1;
	if (image->fd == -1) {
		library->handle = dlopen(image->name, RTLD_NOW | RTLD_LOCAL);
		if (library->handle != NULL)
			return 0;
		return error_set(err,
		    "%s: cannot be loaded: it needs %s, "
		    "which cannot be loaded: %s",
		    for_plugin, image->name, loader_error(-1));
	}
	memcpy(library->hash, image->hash, IMAGE_HASH_SIZE);
	library->fd = fcntl(image->fd, F_DUPFD_CLOEXEC, 3);
	if (library->fd == -1)
		return error_sys(err, "%s: cannot keep its image", image->path);
	loading = library;
	library->handle = loader_open(library->fd,
	    binding_passes_over(library->fd, others, count));
	loading = NULL;
	if (library->handle == NULL)
		return error_set(err, "%s: cannot be loaded: %s", image->path,
		    loader_error(library->fd));
	return check_loaded(library, image->path, err);
}

/* Returns true when it is gone. */
static bool
unload(struct library *library)
{
	loading = library;
	library->handle = loader_close(library->handle, library->fd);
	loading = NULL;
	if (library->handle != NULL)
		return false;
	free(library->name);
	free(library);
	return true;
}

struct library *
library_load(const struct library_image *image, const char *for_plugin,
    struct library *const *others, uint32_t count, struct error *err)
{
	struct library *library = find(image);

	if (library != NULL) {
		library->refs++;
		return library;
	}
	library = calloc(1, sizeof(*library));
	if (library == NULL || (library->name = strdup(image->name)) == NULL) {
		free(library);
		error_set(err, "%s: out of memory", image->path);
		return NULL;
	}
	library->fd = -1;
	library->refs = 1;
	if (load(library, image, for_plugin, others, count, err) == 0) {
		LIST_INSERT_HEAD(&libraries, library, link);
		return library;
	}
	unload(library);
	return NULL;
}

void
library_unref(struct library *library)
{
	if (library == NULL || --library->refs > 0)
		return;
	LIST_REMOVE(library, link);
	/* A library that stays mapped may be needed again. */
	if (!unload(library))
		LIST_INSERT_HEAD(&libraries, library, link);
}

/*
 * libraries.c: from DT_NEEDED to files.  $ORIGIN is the directory that a file
 * really lies in, after all links are followed.
 */

#include "image/libraries.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/same_file.h"
#include "image/elf_needs.h"
#include "image/system_libraries.h"

/* An object that needs libraries: the plugin or one of its libraries. */
struct object {
	const struct object *needed_by; /* NULL: it is the plugin */
	const char *path;		/* for messages */
	unsigned int depth;
	char dir[PATH_MAX]; /* $ORIGIN */
	struct elf_needs needs;
};

struct finder {
	const struct library_ops *ops;
	void *arg;
	struct system_libraries system;
	struct libraries *found;
	struct error *err;
};

static int visit(struct finder *finder, const struct object *object);

/* The directory that an open file really lies in. */
static void
origin_of(int file, const char *path, char dir[PATH_MAX])
{
	char link[32], *slash;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	len = readlink(link, dir, PATH_MAX - 1);
	if (len <= 0 || dir[0] != '/')
		len = snprintf(dir, PATH_MAX, "%s", path);
	else
		dir[len] = '\0';
	slash = strrchr(dir, '/');
	if (slash == NULL)
		snprintf(dir, PATH_MAX, ".");
	else
		slash[slash == dir] = '\0';
}

/* Replace $ORIGIN. false: the path cannot be followed. */
static bool
expand(const char *from, size_t len, const char *origin, char to[PATH_MAX])
{
	size_t used = 0, skip;
	int n;

	for (; len > 0; from += skip, len -= skip) {
		skip = 1;
		if (*from != '$') {
			n = snprintf(to + used, PATH_MAX - used, "%c", *from);
		} else {
			if (len >= 9 && memcmp(from, "${ORIGIN}", 9) == 0)
				skip = 9;
			else if (len >= 7 && memcmp(from, "$ORIGIN", 7) == 0)
				skip = 7;
			else
				return false;
			n = snprintf(to + used, PATH_MAX - used, "%s", origin);
		}
		used += (size_t)n;
		if (used >= PATH_MAX)
			return false;
	}
	/* A relative path could lead anywhere. */
	return used > 0 && to[0] == '/';
}

/* Look for name in one list of directories.  true: path is its file. */
static bool
search(const struct finder *finder, const char *dirs, const char *origin,
    const char *name, char path[PATH_MAX])
{
	char dir[PATH_MAX];
	size_t len;

	for (; dirs != NULL; dirs = dirs[len] == ':' ? dirs + len + 1 : NULL) {
		len = strcspn(dirs, ":");
		if (!expand(dirs, len, origin, dir) ||
		    snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
			continue;
		if (finder->ops->on_candidate != NULL)
			finder->ops->on_candidate(finder->arg, path);
		if (system_libraries_fits(path))
			return true;
	}
	return false;
}

/* RPATH also holds for the libraries of libraries, RUNPATH does not. */
static bool
search_all(const struct finder *finder, const struct object *object,
    const char *name, char path[PATH_MAX])
{
	if (object->needs.runpath != NULL)
		return search(finder, object->needs.runpath, object->dir, name,
		    path);
	for (; object != NULL; object = object->needed_by)
		if (search(finder, object->needs.rpath, object->dir, name,
			path))
			return true;
	return false;
}

static int
too_many(const struct finder *finder, const char *name)
{
	return error_set(finder->err,
	    "%s: is one library too many; a plugin can have at most %d", name,
	    LIBRARIES_MAX);
}

static struct library_file *
append(struct finder *finder, const char *name, const char *path)
{
	struct libraries *found = finder->found;
	struct library_file *larger;

	if (found->count == LIBRARIES_MAX) {
		too_many(finder, name);
		return NULL;
	}
	larger = reallocarray(found->list, found->count + 1, sizeof(*larger));
	if (larger == NULL) {
		error_set(finder->err, "%s: out of memory", name);
		return NULL;
	}
	found->list = larger;
	larger += found->count;
	memset(larger, 0, sizeof(*larger));
	larger->image.fd = -1;
	larger->name = strdup(name);
	larger->path = strdup(path);
	found->count++;
	if (larger->name != NULL && larger->path != NULL)
		return larger;
	error_set(finder->err, "%s: out of memory", name);
	return NULL;
}

static int
missing(const struct finder *finder, const struct object *object,
    const char *name)
{
	const char *dirs = object->needs.runpath;

	if (dirs == NULL)
		dirs = object->needs.rpath;
	if (name[0] == '/')
		return error_set(finder->err,
		    "%s: cannot be loaded: it needs %s, which does not exist "
		    "or is not a library for this machine",
		    object->path, name);
	if (dirs == NULL)
		return error_set(finder->err,
		    "%s: cannot be loaded: it needs %s, which is not a library "
		    "of the system, and has no RUNPATH; link it with "
		    "-Wl,-rpath,'$ORIGIN' and put the library beside it",
		    object->path, name);
	return error_set(finder->err,
	    "%s: cannot be loaded: it needs %s, which is neither in its "
	    "RUNPATH (%s; $ORIGIN is %s) nor a library of the system",
	    object->path, name, dirs, object->dir);
}

/* A process can have only one library of a name. */
static int
two_of_a_name(const struct finder *finder, const struct object *object,
    const char *name, const char *path, const char *system)
{
	return error_set(finder->err,
	    "%s: cannot be loaded: it needs %s as %s, but that is the name of "
	    "a library of the system (%s), and a process can load only one of "
	    "each name; link it into the plugin statically, or give it "
	    "another soname",
	    object->path, name, path, system);
}

/*
 * A library without a soname is found only by the object that needs it.  One
 * with another soname is not the one that was asked for.
 */
static int
check_soname(const struct finder *finder, const struct object *object,
    const char *name)
{
	const char *soname = object->needs.soname;

	if (soname == NULL || strcmp(soname, name) == 0)
		return 0;
	return error_set(finder->err,
	    "%s: is needed as %s, but calls itself %s; build it with "
	    "-Wl,-soname,%s",
	    object->path, name, soname, name);
}

/* What an object needs, and where it is. */
static int
look_at(const struct finder *finder, struct object *object, int file,
    const struct image *image)
{
	origin_of(file, object->path, object->dir);
	return elf_needs_read(&object->needs, object->path, image->fd,
	    image->size, finder->err);
}

/* Copy a library, after all libraries that it needs itself. */
static int
take(struct finder *finder, const struct object *by, const char *name,
    const char *path)
{
	struct object object = {
		.needed_by = by,
		.path = path,
		.depth = by->depth + 1,
	};
	struct image image = { .fd = -1 };
	struct library_file *library = NULL;
	int file;

	if (object.depth > LIBRARIES_MAX)
		return too_many(finder, name);
	file = finder->ops->open(finder->arg, path, finder->err);
	if (file == -1)
		return -1;
	if (image_copy(file, path, &image, finder->err) == 0 &&
	    look_at(finder, &object, file, &image) == 0 &&
	    check_soname(finder, &object, name) == 0 &&
	    visit(finder, &object) == 0)
		library = append(finder, name, path);
	if (library != NULL) {
		library->image = image;
		library->named = object.needs.soname != NULL;
	} else {
		image_close(&image);
	}
	elf_needs_done(&object.needs);
	close(file);
	return library != NULL ? 0 : -1;
}

/* The library was linked by its path, as one without a soname can be. */
static int
need_path(struct finder *finder, const struct object *object, const char *name)
{
	char *system;
	int result;

	if (name[0] != '/')
		return error_set(finder->err,
		    "%s: cannot be loaded: it needs %s, a path that depends on "
		    "the working directory; build that library with "
		    "-Wl,-soname,NAME",
		    object->path, name);
	if (finder->ops->on_candidate != NULL)
		finder->ops->on_candidate(finder->arg, name);
	system = system_libraries_find(&finder->system, strrchr(name, '/') + 1);
	if (system != NULL && same_file(name, system))
		result = append(finder, name, system) != NULL ? 0 : -1;
	else if (system_libraries_fits(name))
		result = take(finder, object, name, name);
	else
		result = missing(finder, object, name);
	free(system);
	return result;
}

static bool
listed(const struct finder *finder, const char *name)
{
	for (uint32_t i = 0; i < finder->found->count; i++)
		if (strcmp(finder->found->list[i].name, name) == 0)
			return true;
	return false;
}

static int
need(struct finder *finder, const struct object *object, const char *name)
{
	const struct object *above;
	char path[PATH_MAX], *system;
	bool found;
	int result;

	if (listed(finder, name))
		return 0;
	for (above = object; above != NULL; above = above->needed_by)
		if (above->needs.soname != NULL &&
		    strcmp(above->needs.soname, name) == 0)
			return error_set(finder->err,
			    "%s: cannot be loaded: it needs %s, which needs it "
			    "in turn; neither can be loaded before the other",
			    object->path, name);
	if (strchr(name, '/') != NULL)
		return need_path(finder, object, name);
	found = search_all(finder, object, name, path);
	system = system_libraries_find(&finder->system, name);
	if (found && system == NULL)
		result = take(finder, object, name, path);
	else if (found && !same_file(path, system))
		result = two_of_a_name(finder, object, name, path, system);
	else if (system != NULL)
		result = append(finder, name, system) != NULL ? 0 : -1;
	else
		result = missing(finder, object, name);
	free(system);
	return result;
}

static int
visit(struct finder *finder, const struct object *object)
{
	for (size_t i = 0; i < object->needs.count; i++)
		if (need(finder, object, object->needs.names[i]) == -1)
			return -1;
	return 0;
}

/* A later object that needs a library of that name would get the plugin. */
static int
check_own_name(struct finder *finder, const struct object *object)
{
	char *system;

	if (object->needs.soname == NULL)
		return 0;
	system = system_libraries_find(&finder->system, object->needs.soname);
	if (system == NULL)
		return 0;
	error_set(finder->err,
	    "%s: calls itself %s (DT_SONAME), which is a library of the system "
	    "(%s); link it without that -soname",
	    object->path, object->needs.soname, system);
	free(system);
	return -1;
}

static int
identify(struct finder *finder, struct image *image)
{
	const struct library_file *library;

	for (uint32_t i = 0; i < finder->found->count; i++) {
		library = &finder->found->list[i];
		if (library->image.fd != -1 &&
		    image_hash_add(image->hash, library->name,
			library->image.hash) == -1)
			return error_set(finder->err,
			    "%s: libcrypto cannot hash", library->path);
	}
	return 0;
}

int
libraries_find(const char *path, int file, struct image *image,
    const struct library_ops *ops, void *arg, struct libraries *ret,
    struct error *err)
{
	struct object plugin = { .path = path };
	struct finder finder = { .ops = ops,
		.arg = arg,
		.found = ret,
		.err = err };
	int result = -1;

	memset(ret, 0, sizeof(*ret));
	system_libraries_open(&finder.system);
	if (look_at(&finder, &plugin, file, image) == 0 &&
	    visit(&finder, &plugin) == 0 &&
	    check_own_name(&finder, &plugin) == 0 &&
	    identify(&finder, image) == 0)
		result = 0;
	ret->soname = plugin.needs.soname;
	plugin.needs.soname = NULL;
	elf_needs_done(&plugin.needs);
	system_libraries_close(&finder.system);
	if (result == -1)
		libraries_done(ret);
	return result;
}

void
libraries_done(struct libraries *libraries)
{
	for (uint32_t i = 0; i < libraries->count; i++) {
		free(libraries->list[i].name);
		free(libraries->list[i].path);
		image_close(&libraries->list[i].image);
	}
	free(libraries->list);
	free(libraries->soname);
	memset(libraries, 0, sizeof(*libraries));
}

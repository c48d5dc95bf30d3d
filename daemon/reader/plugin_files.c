/* plugin_files.c: from a listener's `plugin` to an image. */

#include "plugin_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_file.h"
#include "error.h"
#include "image.h"
#include "libraries.h"
#include "problems.h"
#include "settings.h"
#include "trusted_path.h"

/* What was opened already.  Paths can be many for one content. */
struct opened {
	char *path;
	uint32_t image;
};

struct opener {
	const char *config;
	struct settings *settings;
	struct plugin_files *files;
	struct problems *problems;
	struct opened *opened;
	uint32_t opened_count;
};

/* "echo" is plugin_dir/echo.so; whatever has a slash is a path. */
static char *
plugin_path(const struct opener *opener, const char *plugin)
{
	char *path;

	if (strchr(plugin, '/') != NULL)
		return config_file_path(opener->config, plugin);
	if (asprintf(&path, "%s/%s.so", opener->settings->plugin_dir, plugin) ==
	    -1)
		return NULL;
	return path;
}

static const struct opened *
find_opened(const struct opener *opener, const char *path)
{
	uint32_t i;

	for (i = 0; i < opener->opened_count; i++)
		if (strcmp(opener->opened[i].path, path) == 0)
			return &opener->opened[i];
	return NULL;
}

static int
remember(struct opener *opener, const char *path, uint32_t image)
{
	struct opened *larger;

	larger = reallocarray(opener->opened, opener->opened_count + 1,
	    sizeof(*larger));
	if (larger == NULL)
		return -1;
	opener->opened = larger;
	larger += opener->opened_count;
	larger->image = image;
	larger->path = strdup(path);
	if (larger->path == NULL)
		return -1;
	opener->opened_count++;
	return 0;
}

static int
no_memory(struct error *err)
{
	return error_set(err, "out of memory");
}

/* A new row of settings->images, which takes the image over. */
static int
add_image(struct opener *opener, const char *path, struct image *image,
    const char *soname, uint32_t *ret_index, struct error *err)
{
	struct settings *settings = opener->settings;
	struct image_settings *added;
	struct image *larger;
	uint32_t count = opener->files->count;

	larger = reallocarray(opener->files->images, count + 1,
	    sizeof(*larger));
	if (larger == NULL)
		return no_memory(err);
	opener->files->images = larger;
	added = settings_add_image(settings);
	if (added == NULL)
		return no_memory(err);
	memcpy(added->hash, image->hash, IMAGE_HASH_SIZE);
	added->size = image->size;
	added->path = strdup(path);
	if (soname != NULL)
		added->soname = strdup(soname);
	larger[count] = *image;
	opener->files->count = count + 1;
	image->fd = -1;
	*ret_index = count;
	if (added->path == NULL || (soname != NULL && added->soname == NULL))
		return no_memory(err);
	return 0;
}

static bool
is_named(const struct image_settings *image, const char *name)
{
	return image->soname != NULL && strcmp(image->soname, name) == 0;
}

/* The plugin that is known by its hash; NO_IMAGE: there is none. */
static uint32_t
find_image(const struct settings *settings, const struct image *image)
{
	uint32_t i;

	for (i = 0; i < settings->image_count; i++)
		if (!settings->images[i].library &&
		    memcmp(settings->images[i].hash, image->hash,
			IMAGE_HASH_SIZE) == 0)
			return i;
	return NO_IMAGE;
}

static int
two_of_a_name(const char *name, const char *path, const char *other,
    struct error *err)
{
	return error_set(err,
	    "%s: is another %s than %s, and a process has one of a name; link "
	    "it into the plugin statically, or give it another soname",
	    path, name, other);
}

/* Take a library over, unless it is there already. */
static int
keep_library(struct opener *opener, struct library_file *library,
    uint32_t *ret_index, struct error *err)
{
	const struct settings *settings = opener->settings;
	const struct image_settings *other;
	uint32_t i;
	bool same;

	for (i = 0; i < settings->image_count; i++) {
		other = &settings->images[i];
		same = other->library && memcmp(other->hash,
		    library->image.hash, IMAGE_HASH_SIZE) == 0;
		if (library->named && is_named(other, library->name) && !same)
			return two_of_a_name(library->name, library->path,
			    other->path, err);
		if (same) {
			*ret_index = i;
			return 0;
		}
	}
	if (add_image(opener, library->path, &library->image,
		library->named ? library->name : NULL, ret_index, err) == -1)
		return -1;
	settings->images[*ret_index].library = true;
	return 0;
}

static int
keep_libraries(struct opener *opener, struct libraries *libraries,
    uint32_t indexes[LIBRARIES_MAX], struct error *err)
{
	uint32_t i;

	for (i = 0; i < libraries->count; i++) {
		indexes[i] = NO_IMAGE;
		if (libraries->list[i].image.fd != -1 &&
		    keep_library(opener, &libraries->list[i], &indexes[i],
			err) == -1)
			return -1;
	}
	return 0;
}

/* Does it call itself as a library that another one needs? */
static int
check_soname(const struct settings *settings, const char *path,
    const char *soname, struct error *err)
{
	uint32_t i;

	for (i = 0; soname != NULL && i < settings->image_count; i++)
		if (settings->images[i].library &&
		    is_named(&settings->images[i], soname))
			return two_of_a_name(soname, path,
			    settings->images[i].path, err);
	return 0;
}

/* Take the image over.  The same content has one place, however many paths. */
static int
keep_image(struct opener *opener, const char *path, struct image *image,
    struct libraries *libraries, uint32_t *ret_index, struct error *err)
{
	uint32_t indexes[LIBRARIES_MAX], i;
	struct image_need *need;

	*ret_index = find_image(opener->settings, image);
	if (*ret_index != NO_IMAGE)
		return 0;
	if (keep_libraries(opener, libraries, indexes, err) == -1 ||
	    check_soname(opener->settings, path, libraries->soname, err) ==
		-1 ||
	    add_image(opener, path, image, libraries->soname, ret_index, err) ==
		-1)
		return -1;
	for (i = 0; i < libraries->count; i++) {
		need = image_add_need(&opener->settings->images[*ret_index]);
		if (need == NULL ||
		    (need->name = strdup(libraries->list[i].name)) == NULL)
			return no_memory(err);
		need->image = indexes[i];
	}
	return 0;
}

/*
 * Open the file, if nobody could have put it there who should not.  To a
 * daemon that root started this would be a way in, so it is refused; who runs
 * one as themselves, perhaps in a directory they share, is told.
 */
static int
open_file(struct opener *opener, const struct listener_settings *listener,
    const char *path, struct error *err)
{
	const struct settings *settings = opener->settings;
	const struct trusted_users users = {
		{ geteuid(), settings->drop ? settings->uid : geteuid() }
	};
	struct error doubt;
	int file = trusted_path_open(path, &users, &doubt, err);

	if (file == -1 || doubt.text[0] == '\0')
		return file;
	if (geteuid() != 0) {
		problem_warn(opener->problems, &listener->plugin_origin,
		    "plugin: %s", doubt.text);
		return file;
	}
	close(file);
	return error_set(err, "%s", doubt.text);
}

/* The libraries of a plugin, as who they are looked for. */
struct seeker {
	struct opener *opener;
	const struct listener_settings *listener;
};

static int
open_library(void *arg, const char *path, struct error *err)
{
	const struct seeker *seeker = arg;

	return open_file(seeker->opener, seeker->listener, path, err);
}

static void
on_candidate(void *arg, const char *path)
{
	const struct seeker *seeker = arg;

	settings_add_source(seeker->opener->settings, path, false);
}

static const struct library_ops library_ops = { open_library, on_candidate };

static void
note_libraries(struct opener *opener, const struct listener_settings *listener,
    const char *path, const struct libraries *libraries)
{
	uint32_t i;

	for (i = 0; i < libraries->count; i++)
		if (libraries->list[i].image.fd != -1)
			problem_note(opener->problems, &listener->plugin_origin,
			    "plugin: %s: brings its own %s (%s)", path,
			    libraries->list[i].name, libraries->list[i].path);
}

static int
open_image(struct opener *opener, const struct listener_settings *listener,
    const char *path, uint32_t *ret_index, struct error *err)
{
	struct seeker seeker = { opener, listener };
	struct libraries libraries = { 0 };
	struct image image = { .fd = -1 };
	int file = open_file(opener, listener, path, err), result = -1;

	if (file == -1)
		return -1;
	if (image_copy(file, path, &image, err) == 0 &&
	    libraries_find(path, file, &image, &library_ops, &seeker,
		&libraries, err) == 0) {
		note_libraries(opener, listener, path, &libraries);
		result = keep_image(opener, path, &image, &libraries,
		    ret_index, err);
	}
	libraries_done(&libraries);
	image_close(&image);
	close(file);
	return result;
}

static int
open_plugin(struct opener *opener, struct listener_settings *listener,
    struct error *err)
{
	char *path = plugin_path(opener, listener->plugin);
	const struct opened *opened;
	int result = 0;

	if (path == NULL)
		return no_memory(err);
	opened = find_opened(opener, path);
	if (opened != NULL) {
		listener->image = opened->image;
		free(path);
		return 0;
	}
	settings_add_source(opener->settings, path, false);
	if (open_image(opener, listener, path, &listener->image, err) == -1)
		result = -1;
	else if (remember(opener, path, listener->image) == -1)
		result = no_memory(err);
	free(path);
	return result;
}

void
plugin_files_open(const char *config, struct settings *settings,
    struct problems *problems, struct plugin_files *ret)
{
	struct opener opener = { .config = config,
		.settings = settings,
		.files = ret,
		.problems = problems };
	struct listener_settings *listener;
	struct error err;
	uint32_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < settings->listener_count; i++) {
		listener = &settings->listeners[i];
		if (listener->plugin != NULL &&
		    open_plugin(&opener, listener, &err) == -1)
			problem_error(problems, &listener->plugin_origin,
			    "plugin: %s", err.text);
	}
	for (i = 0; i < opener.opened_count; i++)
		free(opener.opened[i].path);
	free(opener.opened);
}

void
plugin_files_close(struct plugin_files *files)
{
	uint32_t i;

	for (i = 0; i < files->count; i++)
		image_close(&files->images[i]);
	free(files->images);
	memset(files, 0, sizeof(*files));
}

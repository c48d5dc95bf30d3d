/* plugin_files.c: from a listener's `plugin` to an image. */

#include "plugin_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_file.h"
#include "error.h"
#include "image.h"
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

/* Take the image over.  The same content has one place, however many paths. */
static int
keep_image(struct opener *opener, const char *path, struct image *image,
    uint32_t *ret_index)
{
	struct settings *settings = opener->settings;
	struct image_settings *added;
	struct image *larger;
	uint32_t i;

	for (i = 0; i < settings->image_count; i++) {
		if (memcmp(settings->images[i].hash, image->hash,
			IMAGE_HASH_SIZE) == 0) {
			image_close(image);
			*ret_index = i;
			return 0;
		}
	}
	larger = reallocarray(opener->files->images, i + 1, sizeof(*larger));
	if (larger == NULL)
		return -1;
	opener->files->images = larger;
	added = settings_add_image(settings);
	if (added == NULL)
		return -1;
	memcpy(added->hash, image->hash, IMAGE_HASH_SIZE);
	added->size = image->size;
	added->path = strdup(path);
	larger[i] = *image;
	opener->files->count = i + 1;
	image->fd = -1;
	*ret_index = i;
	return added->path != NULL ? 0 : -1;
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

static int
open_image(struct opener *opener, const struct listener_settings *listener,
    const char *path, struct image *ret, struct error *err)
{
	int file = open_file(opener, listener, path, err), result;

	if (file == -1)
		return -1;
	result = image_copy(file, path, ret, err);
	close(file);
	return result;
}

static int
open_plugin(struct opener *opener, struct listener_settings *listener,
    struct error *err)
{
	char *path = plugin_path(opener, listener->plugin);
	const struct opened *opened;
	struct image image = { .fd = -1 };
	int result = -1;

	if (path == NULL)
		return error_set(err, "out of memory");
	opened = find_opened(opener, path);
	if (opened == NULL)
		settings_add_source(opener->settings, path, false);
	if (opened != NULL) {
		listener->image = opened->image;
		result = 0;
	} else if (open_image(opener, listener, path, &image, err) == -1) {
		;
	} else if (keep_image(opener, path, &image, &listener->image) == -1 ||
	    remember(opener, path, listener->image) == -1) {
		error_set(err, "out of memory");
	} else {
		result = 0;
	}
	image_close(&image);
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

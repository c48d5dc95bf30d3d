/* plugin_files.c: from a listener's `plugin` to an image. */

#include "plugin_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "error.h"
#include "image.h"
#include "problems.h"
#include "settings.h"

/* What was opened already.  Paths can be many for one content. */
struct opened {
	char *path;
	uint32_t image;
};

struct opener {
	const char *config;
	struct settings *settings;
	struct plugin_files *files;
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
	if (opened != NULL) {
		listener->image = opened->image;
		result = 0;
	} else if (image_open(path, &image, err) == -1) {
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
		.files = ret };
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

/* plugin_files.c: from a listener's `plugin` to an image. */

#include "reader/plugin_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/trusted_path.h"
#include "config/settings.h"
#include "image/image.h"
#include "image/libraries.h"
#include "reader/config_file.h"
#include "reader/plugin_images.h"
#include "reader/problems.h"

/* A path that was opened already.  Several paths may have the same content. */
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
	for (uint32_t i = 0; i < opener->opened_count; i++)
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

/*
 * Open the file, unless an untrusted user could have put it there.  If the
 * daemon was started as root, the file is refused, since that user could become
 * root by it.  If the daemon was started by another user, whose directories may
 * be shared, there is only a warning.
 */
static int
open_trusted(struct opener *opener, const struct listener_settings *listener,
    const char *path, struct error *err)
{
	const struct settings *settings = opener->settings;
	const struct trusted_users users = { { geteuid(),
	    settings->drop ? settings->uid : geteuid() } };
	struct error doubt;
	int file = trusted_path_open(path, &users, &doubt);

	if (file == -1)
		return error_sys(err, "%s", path);
	if (doubt.text[0] == '\0')
		return file;
	if (geteuid() != 0) {
		problem_warn(opener->problems, &listener->plugin_origin,
		    "plugin: %s: %s", path, doubt.text);
		return file;
	}
	close(file);
	return error_set(err, "%s: %s", path, doubt.text);
}

/* The listener whose plugin needs the libraries. */
struct seeker {
	struct opener *opener;
	const struct listener_settings *listener;
};

static int
open_library(void *arg, const char *path, struct error *err)
{
	const struct seeker *seeker = arg;

	return open_trusted(seeker->opener, seeker->listener, path, err);
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
	for (uint32_t i = 0; i < libraries->count; i++)
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
	int file = open_trusted(opener, listener, path, err), result = -1;

	if (file == -1)
		return -1;
	if (image_copy(file, path, &image, err) == 0 &&
	    libraries_find(path, file, &image, &library_ops, &seeker,
		&libraries, err) == 0) {
		note_libraries(opener, listener, path, &libraries);
		result = plugin_images_keep(opener->settings, opener->files,
		    path, &image, &libraries, ret_index, err);
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

	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < settings_endpoints(settings); i++) {
		listener = settings_endpoint(settings, i);
		if (listener->plugin == NULL ||
		    open_plugin(&opener, listener, &err) == 0)
			continue;
		problem_error(problems, &listener->plugin_origin, "plugin: %s",
		    err.text);
		if (descriptors_used_up())
			break;
	}
	for (uint32_t i = 0; i < opener.opened_count; i++)
		free(opener.opened[i].path);
	free(opener.opened);
}

void
plugin_files_close(struct plugin_files *files)
{
	for (uint32_t i = 0; i < files->count; i++)
		image_close(&files->images[i]);
	free(files->images);
	memset(files, 0, sizeof(*files));
}

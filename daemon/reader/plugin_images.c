/*
 * plugin_images.c: the table of images.  All images of a generation are loaded
 * into one process, in an order that depends on the history of that process.
 * So conflicts between their names are found here, whatever the order.
 */

#include "reader/plugin_images.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/settings.h"
#include "image/libraries.h"
#include "reader/plugin_files.h"

static int
no_memory(struct error *err)
{
	return error_set(err, "out of memory");
}

/* A new row of settings->images, which takes the image over. */
static int
add_image(struct settings *settings, struct plugin_files *files,
    const char *path, struct image *image, const char *soname,
    uint32_t *ret_index, struct error *err)
{
	struct image_settings *added;
	struct image *larger;
	uint32_t count = files->count;

	larger = reallocarray(files->images, count + 1, sizeof(*larger));
	if (larger == NULL)
		return no_memory(err);
	files->images = larger;
	added = settings_add_image(settings);
	if (added == NULL)
		return no_memory(err);
	memcpy(added->hash, image->hash, IMAGE_HASH_SIZE);
	added->size = image->size;
	added->path = strdup(path);
	if (soname != NULL)
		added->soname = strdup(soname);
	larger[count] = *image;
	files->count = count + 1;
	image->fd = -1;
	*ret_index = count;
	if (added->path == NULL || (soname != NULL && added->soname == NULL))
		return no_memory(err);
	return 0;
}

/* The plugin with this hash; NO_IMAGE: none. */
static uint32_t
find_image(const struct settings *settings, const struct image *image)
{
	for (uint32_t i = 0; i < settings->image_count; i++)
		if (!settings->images[i].library &&
		    memcmp(settings->images[i].hash, image->hash,
			IMAGE_HASH_SIZE) == 0)
			return i;
	return NO_IMAGE;
}

/* Take a library over, unless its content is there already. */
static int
keep_library(struct settings *settings, struct plugin_files *files,
    struct library_file *library, uint32_t *ret_index, struct error *err)
{
	const struct image_settings *other;

	for (uint32_t i = 0; i < settings->image_count; i++) {
		other = &settings->images[i];
		if (!other->library ||
		    memcmp(other->hash, library->image.hash, IMAGE_HASH_SIZE) !=
			0)
			continue;
		*ret_index = i;
		return 0;
	}
	if (add_image(settings, files, library->path, &library->image,
		library->named ? library->name : NULL, ret_index, err) == -1)
		return -1;
	settings->images[*ret_index].library = true;
	return 0;
}

static int
keep_libraries(struct settings *settings, struct plugin_files *files,
    struct libraries *libraries, uint32_t indexes[LIBRARIES_MAX],
    struct error *err)
{
	for (uint32_t i = 0; i < libraries->count; i++) {
		indexes[i] = NO_IMAGE;
		if (libraries->list[i].image.fd != -1 &&
		    keep_library(settings, files, &libraries->list[i],
			&indexes[i], err) == -1)
			return -1;
	}
	return 0;
}

static int
add_needs(struct image_settings *image, const struct libraries *libraries,
    const uint32_t indexes[LIBRARIES_MAX], struct error *err)
{
	struct image_need *need;

	for (uint32_t i = 0; i < libraries->count; i++) {
		need = image_add_need(image);
		if (need == NULL ||
		    (need->name = strdup(libraries->list[i].name)) == NULL)
			return no_memory(err);
		need->image = indexes[i];
	}
	return 0;
}

static bool
is_named(const struct image_settings *image, const char *name)
{
	return image->soname != NULL && strcmp(image->soname, name) == 0;
}

static int
two_of_a_name(const struct settings *settings, const struct image_need *need,
    const struct image_settings *other, const char *path, struct error *err)
{
	return error_set(err,
	    "%s: cannot be loaded: %s and %s are both named %s, and a process "
	    "can load only one of each name; link it into the plugin "
	    "statically, or give one of them another soname",
	    path,
	    need->image != NO_IMAGE ? settings->images[need->image].path
				    : "a library of the system",
	    other->path, need->name);
}

/*
 * Does a row from `from` on have the name of something that image `i` needs,
 * without being it?  The loader could then take the wrong one.
 */
static int
check_needs(const struct settings *settings, uint32_t i, uint32_t from,
    const char *path, struct error *err)
{
	const struct image_settings *image = &settings->images[i];
	const struct image_need *need;
	uint32_t row;

	for (uint32_t n = 0; n < image->need_count; n++) {
		need = &image->needs[n];
		for (row = from; row < settings->image_count; row++)
			if (row != need->image &&
			    is_named(&settings->images[row], need->name))
				return two_of_a_name(settings, need,
				    &settings->images[row], path, err);
	}
	return 0;
}

/* The rows from `from` on are new, and the last of them is a plugin. */
static int
check_names(const struct settings *settings, uint32_t from, const char *path,
    struct error *err)
{
	uint32_t i, last = settings->image_count - 1;

	for (i = 0; i < last; i++)
		if (check_needs(settings, i, from, path, err) == -1)
			return -1;
	return check_needs(settings, last, 0, path, err);
}

int
plugin_images_keep(struct settings *settings, struct plugin_files *files,
    const char *path, struct image *image, struct libraries *libraries,
    uint32_t *ret_index, struct error *err)
{
	uint32_t indexes[LIBRARIES_MAX], from = settings->image_count;

	*ret_index = find_image(settings, image);
	if (*ret_index != NO_IMAGE)
		return 0;
	if (keep_libraries(settings, files, libraries, indexes, err) == -1 ||
	    add_image(settings, files, path, image, libraries->soname,
		ret_index, err) == -1 ||
	    add_needs(&settings->images[*ret_index], libraries, indexes, err) ==
		-1)
		return -1;
	return check_names(settings, from, path, err);
}

/* settings.c: the life of one configuration, and what differs between two. */

#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "keys.h"

struct settings *
settings_new(void)
{
	struct settings *settings = calloc(1, sizeof(*settings));

	if (settings == NULL)
		return NULL;
	settings->uid = (uid_t)-1;
	settings->gid = (gid_t)-1;
	settings->control_gid = (gid_t)-1;
	if (keys_set_defaults(settings_keys, settings) == -1) {
		settings_free(settings);
		return NULL;
	}
	return settings;
}

static void
option_done(struct raw_option *option)
{
	uint32_t i;

	free(option->path);
	if (option->strings != NULL)
		for (i = 0; i < option->count; i++)
			free(option->strings[i]);
	free(option->strings);
}

static void
listener_done(struct listener_settings *listener)
{
	uint32_t i;

	keys_free(listener_keys, listener);
	free(listener->addresses);
	for (i = 0; i < listener->option_count; i++)
		option_done(&listener->options[i]);
	free(listener->options);
}

static void
image_done(struct image_settings *image)
{
	uint32_t i;

	for (i = 0; i < image->need_count; i++)
		free(image->needs[i].name);
	free(image->needs);
	free(image->soname);
	free(image->path);
}

void
settings_free(struct settings *settings)
{
	uint32_t i;

	if (settings == NULL)
		return;
	keys_free(settings_keys, settings);
	for (i = 0; i < settings->listener_count; i++)
		listener_done(&settings->listeners[i]);
	free(settings->listeners);
	for (i = 0; i < settings->image_count; i++)
		image_done(&settings->images[i]);
	free(settings->images);
	for (i = 0; i < settings->file_count; i++)
		free(settings->files[i]);
	free(settings->files);
	for (i = 0; i < settings->source_count; i++)
		free(settings->sources[i]);
	free(settings->sources);
	free(settings);
}

/* Room for one more, zeroed; the array doubles whenever its count is a power of two. */
static void *
grow(void **array, uint32_t count, size_t size)
{
	size_t room;
	void *larger;

	if ((count & (count - 1)) == 0) {
		room = count == 0 ? 1 : (size_t)count * 2;
		larger = reallocarray(*array, room, size);
		if (larger == NULL)
			return NULL;
		*array = larger;
	}
	return memset((char *)*array + count * size, 0, size);
}

struct listener_settings *
settings_add_listener(struct settings *settings)
{
	struct listener_settings *listener;
	void *array = settings->listeners;

	listener = grow(&array, settings->listener_count, sizeof(*listener));
	settings->listeners = array;
	if (listener == NULL)
		return NULL;
	listener->unix_mode = (uint32_t)-1;
	listener->unix_uid = (uid_t)-1;
	listener->unix_gid = (gid_t)-1;
	if (keys_set_defaults(listener_keys, listener) == -1) {
		listener_done(listener);
		return NULL;
	}
	settings->listener_count++;
	return listener;
}

struct listener_address *
listener_add_address(struct listener_settings *listener)
{
	void *array = listener->addresses, *address;

	address =
	    grow(&array, listener->address_count, sizeof(*listener->addresses));
	listener->addresses = array;
	if (address != NULL)
		listener->address_count++;
	return address;
}

struct raw_option *
listener_add_option(struct listener_settings *listener)
{
	void *array = listener->options, *option;

	option = grow(&array, listener->option_count, sizeof(*listener->options));
	listener->options = array;
	if (option != NULL)
		listener->option_count++;
	return option;
}

struct image_settings *
settings_add_image(struct settings *settings)
{
	void *array = settings->images, *image;

	image = grow(&array, settings->image_count, sizeof(*settings->images));
	settings->images = array;
	if (image != NULL)
		settings->image_count++;
	return image;
}

struct image_need *
image_add_need(struct image_settings *image)
{
	void *array = image->needs, *need;

	need = grow(&array, image->need_count, sizeof(*image->needs));
	image->needs = array;
	if (need != NULL)
		image->need_count++;
	return need;
}

const char *
settings_add_file(struct settings *settings, const char *path)
{
	void *array = settings->files;
	char **file, *copy = strdup(path);

	if (copy == NULL)
		return NULL;
	file = grow(&array, settings->file_count, sizeof(*settings->files));
	settings->files = array;
	if (file == NULL) {
		free(copy);
		return NULL;
	}
	settings->file_count++;
	return *file = copy;
}

int
settings_add_source(struct settings *settings, const char *path, bool pattern)
{
	void *array = settings->sources;
	char **source, *copy = malloc(2 * strlen(path) + 1), *at = copy;
	uint32_t i;

	if (copy == NULL)
		return -1;
	for (; *path != '\0'; path++) {
		if (!pattern && strchr("*?[\\", *path) != NULL)
			*at++ = '\\';
		*at++ = *path;
	}
	*at = '\0';
	for (i = 0; i < settings->source_count; i++)
		if (strcmp(settings->sources[i], copy) == 0) {
			free(copy);
			return 0;
		}
	source = grow(&array, settings->source_count, sizeof(*source));
	settings->sources = array;
	if (source == NULL) {
		free(copy);
		return -1;
	}
	settings->source_count++;
	*source = copy;
	return 0;
}

static bool
same_option(const struct raw_option *a, const struct raw_option *b)
{
	uint32_t i;

	if (strcmp(a->path, b->path) != 0 || a->type != b->type ||
	    a->integer != b->integer || a->count != b->count ||
	    memcmp(&a->real, &b->real, sizeof(a->real)) != 0)
		return false;
	for (i = 0; i < a->count; i++)
		if (strcmp(a->strings[i], b->strings[i]) != 0)
			return false;
	return true;
}

static const struct raw_option *
find_option(const struct listener_settings *listener, uint32_t first,
    const char *path)
{
	uint32_t i, at;

	/* Two files mostly have them in the same order. */
	for (i = 0; i < listener->option_count; i++) {
		at = (first + i) % listener->option_count;
		if (strcmp(listener->options[at].path, path) == 0)
			return &listener->options[at];
	}
	return NULL;
}

bool
listener_same_service(const struct settings *a,
    const struct listener_settings *la, const struct settings *b,
    const struct listener_settings *lb)
{
	const struct raw_option *other;
	uint32_t i;

	if (memcmp(a->images[la->image].hash, b->images[lb->image].hash,
		IMAGE_HASH_SIZE) != 0 ||
	    la->option_count != lb->option_count)
		return false;
	for (i = 0; i < la->option_count; i++) {
		other = find_option(lb, i, la->options[i].path);
		if (other == NULL || !same_option(&la->options[i], other))
			return false;
	}
	return true;
}

/* NULL: it is absent. */
static bool
same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whom `user` and `group` stand for is what counts, not how they are written. */
static bool
same_value(const struct key *key, const struct settings *a,
    const struct settings *b)
{
	const char *base_a = (const char *)a, *base_b = (const char *)b;

	/* CPUs come and go while we run: nobody changed the file. */
	if (key->offset == offsetof(struct settings, workers) &&
	    a->workers_of_cpus && b->workers_of_cpus)
		return true;
	if (key->offset2 != 0)
		return memcmp(base_a + key->offset2, base_b + key->offset2,
			   sizeof(uid_t)) == 0;
	if (key->type == KEY_STRING)
		return same_string(
		    *(char *const *)(const void *)(base_a + key->offset),
		    *(char *const *)(const void *)(base_b + key->offset));
	return memcmp(base_a + key->offset, base_b + key->offset,
		   sizeof(int64_t)) == 0;
}

const char *
settings_restart_key(const struct settings *prev, const struct settings *next,
    struct origin *ret_origin)
{
	const struct key *key;

	for (key = settings_keys; key->name != NULL; key++) {
		if (!(key->flags & KEY_RESTART) || same_value(key, prev, next))
			continue;
		memcpy(ret_origin, (const char *)next + key->origin,
		    sizeof(*ret_origin));
		return key->name;
	}
	return NULL;
}

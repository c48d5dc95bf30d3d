/*
 * bundle_unpack.c: bytes to settings.  The bytes may be anything: each count
 * is held against what is left, each value against the table.
 */

#include <stdlib.h>
#include <string.h>

#include "bundle_format.h"
#include "keys.h"
#include "pack.h"
#include "settings.h"
#include "shm.h"

#define SMALL_SIZE_MIN 4 /* what a string takes at least */
#define IMAGE_SIZE_MIN (4 + IMAGE_HASH_SIZE + 8 + 4 + 4)
#define NEED_SIZE_MIN (4 + 4)
#define LISTENER_SIZE_MIN 64

static void
get_origin(struct unpacker *in, const struct settings *settings,
    struct origin *ret)
{
	uint32_t file = unpack_u32(in);

	ret->line = unpack_u32(in);
	ret->file = NULL;
	if (file < settings->file_count)
		ret->file = settings->files[file];
	else if (file != NO_FILE)
		in->failed = true;
}

static void
get_key(struct unpacker *in, const struct settings *settings,
    const struct key *key, void *base)
{
	char *at = (char *)base + key->offset, *string;
	uint64_t number;
	bool flag;

	switch (key->type) {
	case KEY_BOOL:
	case KEY_BOOL_DURATION:
		flag = unpack_bool(in);
		memcpy(at, &flag, sizeof(flag));
		if (key->type == KEY_BOOL)
			break;
		at = (char *)base + key->offset2;
		/* FALLTHROUGH */
	case KEY_INT:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_WORD:
		number = unpack_u64(in);
		memcpy(at, &number, sizeof(number));
		break;
	case KEY_STRING:
		string = unpack_string(in);
		free(*(char **)(void *)at);
		memcpy(at, &string, sizeof(string));
		break;
	default:
		return;
	}
	if (key->origin != 0)
		get_origin(in, settings, (void *)((char *)base + key->origin));
	if (!key_holds(key, base))
		in->failed = true;
}

static void
get_keys(struct unpacker *in, const struct settings *settings,
    const struct key *keys, void *base)
{
	for (; keys->name != NULL; keys++) {
		if (keys->type == KEY_GROUP)
			get_keys(in, settings, keys->keys, base);
		else
			get_key(in, settings, keys, base);
	}
}

static void
get_option(struct unpacker *in, const struct settings *settings,
    struct raw_option *ret)
{
	uint32_t i, count;

	ret->path = unpack_string(in);
	ret->type = unpack_u32(in);
	ret->integer = (int64_t)unpack_u64(in);
	unpack_bytes(in, &ret->real, sizeof(ret->real));
	count = unpack_count(in, SMALL_SIZE_MIN);
	if (ret->path == NULL || ret->type > RAW_STRINGS ||
	    (ret->type == RAW_STRING && count != 1) ||
	    (ret->type != RAW_STRING && ret->type != RAW_STRINGS && count != 0))
		in->failed = true;
	if (in->failed)
		return;
	ret->strings = calloc((size_t)count + 1, sizeof(*ret->strings));
	if (ret->strings == NULL) {
		in->failed = true;
		return;
	}
	ret->count = count;
	for (i = 0; i < count; i++)
		if ((ret->strings[i] = unpack_string(in)) == NULL)
			in->failed = true;
	get_origin(in, settings, &ret->origin);
}

static void
get_address(struct unpacker *in, const struct settings *settings,
    struct listener_address *ret)
{
	ret->address.kind = unpack_u32(in);
	ret->address.dual = unpack_bool(in);
	ret->address.len = unpack_u32(in);
	unpack_bytes(in, &ret->address.u, sizeof(ret->address.u));
	get_origin(in, settings, &ret->origin);
	if (!address_valid(&ret->address))
		in->failed = true;
}

static void
get_listener(struct unpacker *in, struct settings *settings)
{
	struct listener_settings *listener = settings_add_listener(settings);
	struct listener_address *address;
	struct raw_option *option;
	uint32_t i, count;

	if (listener == NULL) {
		in->failed = true;
		return;
	}
	get_keys(in, settings, listener_keys, listener);
	listener->image = unpack_u32(in);
	listener->unix_mode = unpack_u32(in);
	listener->unix_uid = unpack_u32(in);
	listener->unix_gid = unpack_u32(in);
	get_origin(in, settings, &listener->origin);
	if (listener->image >= settings->image_count ||
	    settings->images[listener->image].library ||
	    (listener->unix_mode > 0777 && listener->unix_mode != (uint32_t)-1) ||
	    listener->limits.write_queue < listener->limits.write_buffer)
		in->failed = true;
	count = unpack_count(in, sizeof(address->address.u));
	for (i = 0; i < count && !in->failed; i++) {
		address = listener_add_address(listener);
		if (address == NULL)
			in->failed = true;
		else
			get_address(in, settings, address);
	}
	count = unpack_count(in, SMALL_SIZE_MIN);
	for (i = 0; i < count && !in->failed; i++) {
		option = listener_add_option(listener);
		if (option == NULL)
			in->failed = true;
		else
			get_option(in, settings, option);
	}
}

/* A library stands in front of who needs it. */
static void
get_needs(struct unpacker *in, const struct settings *settings,
    struct image_settings *image)
{
	uint32_t i, count = unpack_count(in, NEED_SIZE_MIN);
	struct image_need *need;

	for (i = 0; i < count && !in->failed; i++) {
		need = image_add_need(image);
		if (need == NULL) {
			in->failed = true;
			return;
		}
		need->name = unpack_string(in);
		need->image = unpack_u32(in);
		if (need->name == NULL || image->library ||
		    (need->image != NO_IMAGE &&
			(need->image >= settings->image_count - 1 ||
			    !settings->images[need->image].library)))
			in->failed = true;
	}
}

static void
get_images(struct unpacker *in, struct settings *settings)
{
	struct image_settings *image;
	uint32_t i, count = unpack_count(in, IMAGE_SIZE_MIN);

	for (i = 0; i < count && !in->failed; i++) {
		image = settings_add_image(settings);
		if (image == NULL) {
			in->failed = true;
			return;
		}
		image->path = unpack_string(in);
		unpack_bytes(in, image->hash, sizeof(image->hash));
		image->size = unpack_u64(in);
		image->library = unpack_bool(in);
		if (image->path == NULL)
			in->failed = true;
		get_needs(in, settings, image);
	}
}

static void
get_files(struct unpacker *in, struct settings *settings)
{
	uint32_t i, count = unpack_count(in, SMALL_SIZE_MIN);
	char *path;

	for (i = 0; i < count && !in->failed; i++) {
		path = unpack_string(in);
		if (path == NULL || settings_add_file(settings, path) == NULL)
			in->failed = true;
		free(path);
	}
}

void
bundle_unpack(struct unpacker *in, struct settings *settings)
{
	uint32_t i, count;

	if (unpack_u32(in) != BUNDLE_MAGIC)
		in->failed = true;
	get_files(in, settings);
	get_keys(in, settings, settings_keys, settings);
	settings->workers_of_cpus = unpack_bool(in);
	settings->drop = unpack_bool(in);
	settings->uid = unpack_u32(in);
	settings->gid = unpack_u32(in);
	settings->control_bits = unpack_u32(in);
	settings->control_gid = unpack_u32(in);
	get_images(in, settings);
	count = unpack_count(in, LISTENER_SIZE_MIN);
	/* Nobody works without workers, and shared memory has room for so many. */
	if (settings->workers < 1 || count > SHM_LISTENERS_MAX ||
	    settings->control_bits > 0777)
		in->failed = true;
	for (i = 0; i < count && !in->failed; i++)
		get_listener(in, settings);
	if (in->at != in->len)
		in->failed = true;
}

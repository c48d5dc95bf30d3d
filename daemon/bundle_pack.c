/* bundle_pack.c: settings to bytes. */

#include <string.h>

#include "bundle_format.h"
#include "keys.h"
#include "pack.h"
#include "settings.h"

static uint32_t
file_index(const struct settings *settings, const char *file)
{
	uint32_t i;

	for (i = 0; i < settings->file_count; i++)
		if (settings->files[i] == file)
			return i;
	return NO_FILE;
}

static void
put_origin(struct packer *out, const struct settings *settings,
    const struct origin *origin)
{
	pack_u32(out, file_index(settings, origin->file));
	pack_u32(out, origin->line);
}

static void
put_key(struct packer *out, const struct settings *settings,
    const struct key *key, const void *base)
{
	const char *at = (const char *)base + key->offset;
	uint64_t number = 0;
	bool flag;

	switch (key->type) {
	case KEY_BOOL:
	case KEY_BOOL_DURATION:
		memcpy(&flag, at, sizeof(flag));
		pack_u32(out, flag);
		if (key->type == KEY_BOOL)
			break;
		at = (const char *)base + key->offset2;
		/* FALLTHROUGH */
	case KEY_INT:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_WORD:
		memcpy(&number, at, sizeof(number));
		pack_u64(out, number);
		break;
	case KEY_STRING:
		pack_string(out, *(char *const *)(const void *)at);
		break;
	default: /* not a field */
		return;
	}
	if (key->origin != 0)
		put_origin(out, settings,
		    (const void *)((const char *)base + key->origin));
}

static void
put_keys(struct packer *out, const struct settings *settings,
    const struct key *keys, const void *base)
{
	for (; keys->name != NULL; keys++) {
		if (keys->type == KEY_GROUP)
			put_keys(out, settings, keys->keys, base);
		else
			put_key(out, settings, keys, base);
	}
}

static void
put_option(struct packer *out, const struct settings *settings,
    const struct raw_option *option)
{
	uint32_t i;

	pack_string(out, option->path);
	pack_u32(out, option->type);
	pack_u64(out, (uint64_t)option->integer);
	pack_bytes(out, &option->real, sizeof(option->real));
	pack_u32(out, option->count);
	for (i = 0; i < option->count; i++)
		pack_string(out, option->strings[i]);
	put_origin(out, settings, &option->origin);
}

static void
put_address(struct packer *out, const struct settings *settings,
    const struct listener_address *address)
{
	pack_u32(out, address->address.kind);
	pack_u32(out, address->address.dual);
	pack_u32(out, address->address.len);
	pack_bytes(out, &address->address.u, sizeof(address->address.u));
	put_origin(out, settings, &address->origin);
}

static void
put_listener(struct packer *out, const struct settings *settings,
    const struct listener_settings *listener)
{
	uint32_t i;

	put_keys(out, settings, listener_keys, listener);
	pack_u32(out, listener->image);
	pack_u32(out, listener->unix_mode);
	pack_u32(out, listener->unix_uid);
	pack_u32(out, listener->unix_gid);
	put_origin(out, settings, &listener->origin);
	pack_u32(out, listener->address_count);
	for (i = 0; i < listener->address_count; i++)
		put_address(out, settings, &listener->addresses[i]);
	pack_u32(out, listener->option_count);
	for (i = 0; i < listener->option_count; i++)
		put_option(out, settings, &listener->options[i]);
}

static void
put_image(struct packer *out, const struct image_settings *image)
{
	uint32_t i;

	pack_string(out, image->path);
	pack_bytes(out, image->hash, sizeof(image->hash));
	pack_u64(out, image->size);
	pack_u32(out, image->library);
	pack_u32(out, image->need_count);
	for (i = 0; i < image->need_count; i++) {
		pack_string(out, image->needs[i].name);
		pack_u32(out, image->needs[i].image);
	}
}

void
bundle_pack(struct packer *out, const struct settings *settings)
{
	uint32_t i;

	pack_u32(out, BUNDLE_MAGIC);
	pack_u32(out, settings->file_count);
	for (i = 0; i < settings->file_count; i++)
		pack_string(out, settings->files[i]);
	put_keys(out, settings, settings_keys, settings);
	pack_u32(out, settings->workers_of_cpus);
	pack_u32(out, settings->drop);
	pack_u32(out, settings->uid);
	pack_u32(out, settings->gid);
	pack_u32(out, settings->control_bits);
	pack_u32(out, settings->control_gid);
	pack_u32(out, settings->image_count);
	for (i = 0; i < settings->image_count; i++)
		put_image(out, &settings->images[i]);
	pack_u32(out, settings->listener_count);
	for (i = 0; i < settings->listener_count; i++)
		put_listener(out, settings, &settings->listeners[i]);
}

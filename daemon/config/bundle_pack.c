/* bundle_pack.c: settings to bytes. */

#include <string.h>

#include "base/pack.h"
#include "config/bundle_format.h"
#include "config/keys.h"
#include "config/network.h"
#include "config/settings.h"

static uint32_t
file_index(const struct settings *settings, const char *file)
{
	for (uint32_t i = 0; i < settings->file_count; i++)
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
put_option(struct packer *out, const struct settings *settings,
    const struct raw_option *option)
{
	pack_string(out, option->path);
	pack_u32(out, option->type);
	pack_u64(out, (uint64_t)option->integer);
	pack_bytes(out, &option->real, sizeof(option->real));
	pack_u32(out, option->count);
	for (uint32_t i = 0; i < option->count; i++)
		pack_string(out, option->strings[i]);
	put_origin(out, settings, &option->origin);
}

static void
put_array(struct packer *out, const struct settings *settings,
    const struct key *array, const void *base)
{
	uint32_t i, count = *key_count(array, base);
	const struct key_string *string;
	const void *at;

	pack_u32(out, count);
	for (i = 0; i < count; i++) {
		at = keys_at(array, base, i);
		if (array->type == KEY_GROUPS) {
			bundle_pack_keys(out, settings, array->keys, at);
			if (array->origin != 0)
				put_origin(out, settings,
				    key_origin(array, at));
		} else if (array->type == KEY_OPTIONS) {
			put_option(out, settings, at);
		} else {
			string = at;
			pack_string(out, string->text);
			put_origin(out, settings, &string->origin);
		}
	}
}

static void
put_value(struct packer *out, const struct settings *settings,
    const struct key *key, const void *base)
{
	const void *at = key_field(key, base);
	const struct bool_duration *both;

	switch (key->type) {
	case KEY_BOOL:
		pack_u32(out, *(const bool *)at);
		break;
	case KEY_BOOL_DURATION:
		both = at;
		pack_u32(out, both->on);
		pack_u64(out, both->ms);
		break;
	case KEY_INT:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_WORD:
		pack_u64(out, *(const uint64_t *)at);
		break;
	case KEY_FRACTION:
		pack_bytes(out, at, sizeof(double));
		break;
	case KEY_STRING:
		pack_string(out, *(char *const *)at);
		break;
	case KEY_GROUP:
		if (key->present != 0)
			pack_u32(out, *key_present(key, base));
		bundle_pack_keys(out, settings, key->keys, at);
		break;
	case KEY_GROUPS:
	case KEY_STRINGS:
	case KEY_OPTIONS:
		put_array(out, settings, key, base);
		break;
	case KEY_REFUSED:
		break;
	}
}

void
bundle_pack_keys(struct packer *out, const struct settings *settings,
    const struct key *keys, const void *base)
{
	for (; keys->name != NULL; keys++) {
		put_value(out, settings, keys, base);
		if (keys->resolved != 0)
			pack_bytes(out, (const char *)base + keys->resolved,
			    keys->resolved_size);
		if (keys->origin != 0 && keys->type != KEY_GROUPS)
			put_origin(out, settings, key_origin(keys, base));
	}
}

/*
 * Apart from the values, so that groups can be compared without regard to where
 * they stand.
 */
static void
put_lines(struct packer *out, const struct key *keys, const void *base)
{
	const struct key_lines *lines = base;

	pack_u32(out, lines->of != NULL);
	for (const struct key *key = keys; key->name != NULL; key++) {
		if (lines->of != NULL)
			pack_u32(out, key_line(keys, key, base));
		if (key->type == KEY_GROUP)
			put_lines(out, key->keys, key_field(key, base));
		if (key->type == KEY_GROUPS)
			for (uint32_t i = 0; i < *key_count(key, base); i++)
				put_lines(out, key->keys,
				    keys_at(key, base, i));
	}
}

static void
put_address(struct packer *out, const struct settings *settings,
    const struct listener_address *address)
{
	address_pack(&address->address, out);
	put_origin(out, settings, &address->origin);
}

static void
put_networks(struct packer *out, const struct network_set *set)
{
	pack_u32(out, set->count);
	for (uint32_t i = 0; i < set->count; i++) {
		pack_u32(out, set->list[i].family);
		pack_u32(out, set->list[i].bits);
		pack_bytes(out, set->list[i].address,
		    sizeof(set->list[i].address));
	}
}

static void
put_addresses(struct packer *out, const struct settings *settings,
    const struct listener_settings *listener)
{
	pack_u32(out, listener->address_count);
	for (uint32_t i = 0; i < listener->address_count; i++)
		put_address(out, settings, &listener->addresses[i]);
}

/* The values that are resolved from more than one key. */
static void
put_endpoint(struct packer *out, const struct settings *settings,
    const struct listener_settings *listener)
{
	pack_u32(out, listener->image);
	put_addresses(out, settings, listener);
	put_networks(out, &listener->proxy.networks);
	put_networks(out, &listener->guard.allowed);
	put_networks(out, &listener->guard.denied);
}

static void
put_image(struct packer *out, const struct image_settings *image)
{
	pack_string(out, image->path);
	pack_bytes(out, image->hash, sizeof(image->hash));
	pack_u64(out, image->size);
	pack_u32(out, image->library);
	pack_u32(out, image->need_count);
	for (uint32_t i = 0; i < image->need_count; i++) {
		pack_string(out, image->needs[i].name);
		pack_u32(out, image->needs[i].image);
	}
}

static void
put_secret(struct packer *out, const struct settings *settings,
    const struct secret_settings *secret)
{
	pack_string(out, secret->path);
	pack_bytes(out, secret->stamp, sizeof(secret->stamp));
	put_origin(out, settings, &secret->origin);
}

void
bundle_pack(struct packer *out, const struct settings *settings)
{
	pack_u32(out, BUNDLE_MAGIC);
	pack_u32(out, settings->file_count);
	for (uint32_t i = 0; i < settings->file_count; i++)
		pack_string(out, settings->files[i]);
	bundle_pack_keys(out, settings, settings_keys, settings);
	put_lines(out, settings_keys, settings);
	pack_u32(out, settings->workers_of_cpus);
	pack_u32(out, settings->drop);
	pack_u32(out, settings->image_count);
	for (uint32_t i = 0; i < settings->image_count; i++)
		put_image(out, &settings->images[i]);
	pack_u32(out, settings->secret_count);
	for (uint32_t i = 0; i < settings->secret_count; i++)
		put_secret(out, settings, &settings->secrets[i]);
	for (uint32_t i = 0; i < settings_endpoints(settings); i++)
		put_endpoint(out, settings, settings_endpoint(settings, i));
	put_addresses(out, settings, &settings->status);
}

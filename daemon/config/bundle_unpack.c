/*
 * bundle_unpack.c: bytes to settings.  The bytes may be anything: each count is
 * checked against the bytes that are left, each value by the table.
 */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/pack.h"
#include "config/bundle_format.h"
#include "config/keys.h"
#include "config/network.h"
#include "config/settings.h"
#include "config/worker_groups.h"

#define SMALL_SIZE_MIN 4 /* the least that a string takes */
#define IMAGE_SIZE_MIN (4 + IMAGE_HASH_SIZE + 8 + 4 + 4)
#define NEED_SIZE_MIN (4 + 4)
#define SECRET_SIZE_MIN (4 + 16 + 8)
#define NETWORK_SIZE (4 + 4 + 16)

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
get_option(struct unpacker *in, const struct settings *settings,
    struct raw_option *ret)
{
	uint32_t count;

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
	for (uint32_t i = 0; i < count; i++)
		if ((ret->strings[i] = unpack_string(in)) == NULL)
			in->failed = true;
	get_origin(in, settings, &ret->origin);
}

static void
get_element(struct unpacker *in, const struct settings *settings,
    const struct key *array, void *at)
{
	struct key_string *string;

	if (array->type == KEY_GROUPS) {
		bundle_unpack_keys(in, settings, array->keys, at);
		if (array->origin != 0)
			get_origin(in, settings, key_origin(array, at));
	} else if (array->type == KEY_OPTIONS) {
		get_option(in, settings, at);
	} else {
		string = at;
		string->text = unpack_string(in);
		get_origin(in, settings, &string->origin);
		if (string->text == NULL)
			in->failed = true;
	}
}

static void
get_array(struct unpacker *in, const struct settings *settings,
    const struct key *array, void *base)
{
	uint32_t i, count = unpack_count(in, SMALL_SIZE_MIN);
	void *at;

	for (i = 0; i < count && !in->failed; i++) {
		at = keys_add(array, base);
		if (at == NULL)
			in->failed = true;
		else
			get_element(in, settings, array, at);
	}
}

static void
get_value(struct unpacker *in, const struct settings *settings,
    const struct key *key, void *base)
{
	struct bool_duration *both;
	void *at = key_field(key, base);
	char **string;

	switch (key->type) {
	case KEY_BOOL:
		*(bool *)at = unpack_bool(in);
		break;
	case KEY_BOOL_DURATION:
		both = at;
		both->on = unpack_bool(in);
		both->ms = unpack_u64(in);
		break;
	case KEY_INT:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_WORD:
		*(uint64_t *)at = unpack_u64(in);
		break;
	case KEY_FRACTION:
		unpack_bytes(in, at, sizeof(double));
		break;
	case KEY_STRING:
		string = at;
		free(*string);
		*string = unpack_string(in);
		break;
	case KEY_GROUP:
		if (key->present != 0)
			*key_present(key, base) = unpack_bool(in);
		bundle_unpack_keys(in, settings, key->keys, at);
		break;
	case KEY_GROUPS:
	case KEY_STRINGS:
	case KEY_OPTIONS:
		get_array(in, settings, key, base);
		break;
	case KEY_REFUSED:
		break;
	}
}

void
bundle_unpack_keys(struct unpacker *in, const struct settings *settings,
    const struct key *keys, void *base)
{
	for (; keys->name != NULL; keys++) {
		get_value(in, settings, keys, base);
		if (keys->resolved != 0)
			unpack_bytes(in, (char *)base + keys->resolved,
			    keys->resolved_size);
		if (keys->origin != 0 && keys->type != KEY_GROUPS)
			get_origin(in, settings, key_origin(keys, base));
		if (!key_holds(keys, base))
			in->failed = true;
	}
}

static void
get_lines(struct unpacker *in, const struct key *keys, void *base)
{
	bool some = unpack_bool(in);

	for (const struct key *key = keys; key->name != NULL && !in->failed;
	     key++) {
		if (some && key_set_line(keys, key, base, unpack_u32(in)) == -1)
			in->failed = true;
		if (key->type == KEY_GROUP)
			get_lines(in, key->keys, key_field(key, base));
		if (key->type == KEY_GROUPS)
			for (uint32_t i = 0; i < *key_count(key, base); i++)
				get_lines(in, key->keys, keys_at(key, base, i));
	}
}

static void
get_address(struct unpacker *in, const struct settings *settings,
    struct listener_address *ret)
{
	address_unpack(&ret->address, in);
	get_origin(in, settings, &ret->origin);
}

/* Where the list has entries, so has the set, and the other way round. */
static void
get_networks(struct unpacker *in, struct network_set *set, bool wanted)
{
	uint32_t i, count = unpack_count(in, NETWORK_SIZE);
	struct network network;

	if (wanted != (count > 0) || count > NETWORK_SET_MAX)
		in->failed = true;
	for (i = 0; i < count && !in->failed; i++) {
		network.family = (uint16_t)unpack_u32(in);
		network.bits = (uint16_t)unpack_u32(in);
		unpack_bytes(in, network.address, sizeof(network.address));
		if (!network_valid(&network) ||
		    network_set_add(set, &network) == -1)
			in->failed = true;
	}
	if (!network_set_sorted(set))
		in->failed = true;
}

static bool
is_mode(uint32_t mode)
{
	return mode <= 0777 || mode == (uint32_t)-1;
}

static bool
is_identity(const struct settings *settings,
    const struct tls_identity_settings *identity)
{
	return identity->secret < settings->secret_count &&
	    identity->verify != TLS_VERIFY_INHERIT;
}

/* Where TLS was asked for, nothing may be missing. */
static bool
is_tls(const struct settings *settings, const struct tls_settings *tls)
{
	if (!tls->on)
		return true;
	for (uint32_t i = 0; i < tls->sni_count; i++)
		if (!is_identity(settings, &tls->sni[i].identity))
			return false;
	return is_identity(settings, &tls->identity);
}

/* A client need not have a secret. */
static bool
is_client_tls(const struct settings *settings, const struct tls_settings *tls)
{
	return !tls->on || tls->identity.secret == NO_SECRET ||
	    is_identity(settings, &tls->identity);
}

/* One that is told where to connect must be able to. */
static bool
is_connector(const struct connector_settings *connector)
{
	struct target target;
	struct error err;

	return connector->connect == NULL ||
	    (target_parse(connector->connect, &target, &err) == 0 &&
		connector->retry.first_ms <= connector->retry.max_ms);
}

static void
get_addresses(struct unpacker *in, const struct settings *settings,
    struct listener_settings *listener)
{
	struct listener_address *address;
	uint32_t count = unpack_count(in, sizeof(address->address.u));

	for (uint32_t i = 0; i < count && !in->failed; i++) {
		address = listener_add_address(listener);
		if (address == NULL)
			in->failed = true;
		else
			get_address(in, settings, address);
	}
}

static void
get_endpoint(struct unpacker *in, const struct settings *settings,
    struct listener_settings *listener)
{
	listener->image = unpack_u32(in);
	if (listener->image >= settings->image_count ||
	    settings->images[listener->image].library ||
	    !is_mode(listener->unix_rights.mode) ||
	    listener->limits.write_queue < listener->limits.write_buffer ||
	    !is_tls(settings, &listener->tls) ||
	    !is_client_tls(settings, &listener->connect_tls) ||
	    !is_connector(&listener->connector))
		in->failed = true;
	get_addresses(in, settings, listener);
	get_networks(in, &listener->proxy.networks, listener->proxy.on);
	get_networks(in, &listener->guard.allowed,
	    listener->guard.allow_count > 0);
	get_networks(in, &listener->guard.denied,
	    listener->guard.deny_count > 0);
}

/* A library must come before whatever needs it. */
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
get_secrets(struct unpacker *in, struct settings *settings)
{
	struct secret_settings *secret;
	uint32_t i, count = unpack_count(in, SECRET_SIZE_MIN);

	if (count > SECRETS_MAX)
		in->failed = true;
	for (i = 0; i < count && !in->failed; i++) {
		secret = settings_add_secret(settings);
		if (secret == NULL) {
			in->failed = true;
			return;
		}
		secret->path = unpack_string(in);
		unpack_bytes(in, secret->stamp, sizeof(secret->stamp));
		get_origin(in, settings, &secret->origin);
		if (secret->path == NULL)
			in->failed = true;
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
	if (unpack_u32(in) != BUNDLE_MAGIC)
		in->failed = true;
	get_files(in, settings);
	bundle_unpack_keys(in, settings, settings_keys, settings);
	get_lines(in, settings_keys, settings);
	settings->workers_of_cpus = unpack_bool(in);
	settings->drop = unpack_bool(in);
	get_images(in, settings);
	get_secrets(in, settings);
	/* There must be workers. */
	if (settings->workers < 1 || !is_mode(settings->control_bits))
		in->failed = true;
	if (settings_endpoints(settings) > LISTENERS_MAX ||
	    (!in->failed && worker_groups_workers(settings) > WORKERS_MAX))
		in->failed = true;
	for (uint32_t i = 0; i < settings_endpoints(settings) && !in->failed;
	     i++)
		get_endpoint(in, settings, settings_endpoint(settings, i));
	if (!is_mode(settings->status.unix_rights.mode))
		in->failed = true;
	get_addresses(in, settings, &settings->status);
	if (in->at != in->len)
		in->failed = true;
}

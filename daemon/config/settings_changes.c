/* settings_changes.c: how two configurations differ. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "config/bundle_format.h"
#include "config/keys.h"
#include "config/settings.h"

static bool
same_option(const struct raw_option *a, const struct raw_option *b)
{
	if (strcmp(a->path, b->path) != 0 || a->type != b->type ||
	    a->integer != b->integer || a->count != b->count ||
	    memcmp(&a->real, &b->real, sizeof(a->real)) != 0)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (strcmp(a->strings[i], b->strings[i]) != 0)
			return false;
	return true;
}

static const struct raw_option *
find_option(const struct listener_settings *listener, uint32_t first,
    const char *path)
{
	uint32_t at;

	/* Two files mostly have them in the same order. */
	for (uint32_t i = 0; i < listener->option_count; i++) {
		at = (first + i) % listener->option_count;
		if (strcmp(listener->options[at].path, path) == 0)
			return &listener->options[at];
	}
	return NULL;
}

static bool
same_options(const struct listener_settings *la,
    const struct listener_settings *lb)
{
	const struct raw_option *other;

	if (la->option_count != lb->option_count)
		return false;
	for (uint32_t i = 0; i < la->option_count; i++) {
		other = find_option(lb, i, la->options[i].path);
		if (other == NULL || !same_option(&la->options[i], other))
			return false;
	}
	return true;
}

bool
listener_same_service(const struct settings *a,
    const struct listener_settings *la, const struct settings *b,
    const struct listener_settings *lb)
{
	return memcmp(a->images[la->image].hash, b->images[lb->image].hash,
		   IMAGE_HASH_SIZE) == 0 &&
	    same_options(la, lb);
}

/* Without the value, which may be a password. */
static void
tell_option(const struct raw_option *option, const char *how,
    key_change *on_change, void *arg)
{
	char text[KEY_CHANGE_MAX];

	snprintf(text, sizeof(text), "options.%s %s", option->path, how);
	on_change(arg, text);
}

void
option_changes(const struct listener_settings *la,
    const struct listener_settings *lb, key_change *on_change, void *arg)
{
	const struct raw_option *other;

	for (uint32_t i = 0; i < lb->option_count; i++) {
		other = find_option(la, i, lb->options[i].path);
		if (other == NULL)
			tell_option(&lb->options[i], "is new", on_change, arg);
		else if (!same_option(&lb->options[i], other))
			tell_option(other, "has changed", on_change, arg);
	}
	for (uint32_t i = 0; i < la->option_count; i++)
		if (find_option(lb, i, la->options[i].path) == NULL)
			tell_option(&la->options[i], "is gone", on_change, arg);
}

static bool
same_secret(const struct settings *a, uint32_t in_a, const struct settings *b,
    uint32_t in_b)
{
	if (in_a == NO_SECRET || in_b == NO_SECRET)
		return in_a == in_b;
	return memcmp(a->secrets[in_a].stamp, b->secrets[in_b].stamp,
		   sizeof(a->secrets[in_a].stamp)) == 0;
}

/* Different, too, when a key has moved to another line. */
static bool
same_group(const struct settings *a, const void *in_a, const struct settings *b,
    const void *in_b, const struct key *keys)
{
	struct packer one = { 0 }, other = { 0 };
	bool same;

	bundle_pack_keys(&one, a, keys, in_a);
	bundle_pack_keys(&other, b, keys, in_b);
	same = !one.failed && !other.failed && one.len == other.len &&
	    (one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
	free(one.data);
	free(other.data);
	return same;
}

bool
endpoint_same_tls(const struct settings *a, const struct listener_settings *la,
    const struct settings *b, const struct listener_settings *lb)
{
	const struct tls_settings *in_a = &la->connect_tls;
	const struct tls_settings *in_b = &lb->connect_tls;

	if (!in_a->on || !in_b->on)
		return in_a->on == in_b->on;
	return same_secret(a, in_a->identity.secret, b,
		   in_b->identity.secret) &&
	    same_group(a, in_a, b, in_b, connect_tls_keys);
}

static bool
same_secrets(const struct settings *a, const struct tls_settings *in_a,
    const struct settings *b, const struct tls_settings *in_b)
{
	if (!same_secret(a, in_a->identity.secret, b, in_b->identity.secret))
		return false;
	for (uint32_t i = 0; i < in_a->sni_count && i < in_b->sni_count; i++)
		if (!same_secret(a, in_a->sni[i].identity.secret, b,
			in_b->sni[i].identity.secret))
			return false;
	return true;
}

static void
tls_changes(const struct settings *a, const struct tls_settings *in_a,
    const struct settings *b, const struct tls_settings *in_b,
    const char *group, key_change *on_change, void *arg)
{
	char text[64];

	if (!in_a->on || !in_b->on || same_secrets(a, in_a, b, in_b))
		return;
	snprintf(text, sizeof(text), "%s has other certificates or CAs", group);
	on_change(arg, text);
}

void
endpoint_changes(const struct settings *a, const struct listener_settings *la,
    const struct settings *b, const struct listener_settings *lb,
    key_change *on_change, void *arg)
{
	bool connects = lb->connector.connect != NULL;

	if (connects != (la->connector.connect != NULL)) {
		on_change(arg,
		    connects ? "is a connector, was a listener"
			     : "is a listener, was a connector");
		return;
	}
	keys_changes(connects ? connector_keys : listener_keys, la, lb,
	    on_change, arg);
	tls_changes(a, &la->tls, b, &lb->tls, tls_group(lb, &lb->tls),
	    on_change, arg);
	tls_changes(a, &la->connect_tls, b, &lb->connect_tls,
	    tls_group(lb, &lb->connect_tls), on_change, arg);
}

const char *
settings_restart_key(const struct settings *prev, const struct settings *next,
    struct origin *ret_origin)
{
	struct settings compared = *next;
	const struct key *key;

	/*
	 * The number of CPUs may change while we run, without a change of the
	 * file.
	 */
	if (prev->workers_of_cpus && next->workers_of_cpus)
		compared.workers = prev->workers;
	key = keys_restart(settings_keys, prev, &compared, ret_origin);
	return key != NULL ? key->name : NULL;
}

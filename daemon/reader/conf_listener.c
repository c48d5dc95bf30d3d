/* conf_listener.c: one element of `listeners`. */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/network.h"
#include "config/settings.h"
#include "config/value.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "reader/tree.h"

#define ADDRESSES_MAX 256 /* of one listener; each is a socket in each worker */
#define NETWORKS_MAX 1024 /* of one listener; each client is compared */
#define ADDRESSES_ALL_MAX 4096 /* of all: every two are compared */

static struct origin
child_origin(const char *file, const struct node *group, const char *name)
{
	for (uint32_t i = 0; i < group->count; i++)
		if (strcmp(group->children[i].name, name) == 0)
			return conf_origin(file, &group->children[i]);
	return conf_origin(file, group);
}

/* An address may be used only once, whether by two listeners or by one. */
static bool
address_is_free(struct conf *conf, const struct origin *at,
    const struct listener_settings *listener, const struct address *address)
{
	const struct listener_settings *other;
	const struct listener_address *taken;
	char text[ADDRESS_TEXT_MAX];

	for (uint32_t i = 0; i < conf->settings->listener_count; i++) {
		other = &conf->settings->listeners[i];
		/* Port 0 is a different port each time. */
		if (other != listener && address->kind == ADDRESS_TCP &&
		    address_port(address) == 0)
			continue;
		for (uint32_t j = 0; j < other->address_count; j++) {
			taken = &other->addresses[j];
			if (!address_conflict(&taken->address, address))
				continue;
			problem_error(conf->problems, at,
			    "listen: %s is already used by listener \"%s\" in "
			    "%s:%u",
			    address_text(address, text),
			    other->name != NULL ? other->name : "",
			    taken->origin.file, taken->origin.line);
			return false;
		}
	}
	return true;
}

static void
add_address(struct conf *conf, const struct origin *at,
    struct listener_settings *listener, const struct address *address)
{
	struct listener_address *added;

	if (listener->address_count == ADDRESSES_MAX ||
	    conf->address_count == ADDRESSES_ALL_MAX) {
		problem_error(conf->problems, at,
		    "listen: too many addresses: one listener may have %d, and "
		    "all listeners together %d",
		    ADDRESSES_MAX, ADDRESSES_ALL_MAX);
		return;
	}
	if (!address_is_free(conf, at, listener, address))
		return;
	added = listener_add_address(listener);
	if (added == NULL) {
		problem_error(conf->problems, at, "out of memory");
		return;
	}
	conf->address_count++;
	added->address = *address;
	added->origin = *at;
}

static void
resolve_listen(struct conf *conf, struct listener_settings *listener)
{
	struct address found[ADDRESSES_MAX];
	const struct key_string *entry;
	struct error err;
	int count;

	for (uint32_t i = 0; i < listener->listen_count; i++) {
		entry = &listener->listen[i];
		count =
		    address_resolve(entry->text, found, ADDRESSES_MAX, &err);
		if (count == -1)
			problem_error(conf->problems, &entry->origin,
			    "listen: %s", err.text);
		for (int j = 0; j < count; j++)
			add_address(conf, &entry->origin, listener, &found[j]);
	}
}

static void
check_name(struct conf *conf, const struct origin *at,
    const struct listener_settings *listener)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const struct listener_settings *other;
	const char *name = listener->name;

	if (strspn(name, allowed) != strlen(name) ||
	    strlen(name) > LISTENER_NAME_MAX) {
		problem_error(conf->problems, at,
		    "name: \"%s\" is not a valid name: use 1 to %d letters, "
		    "digits, \"_\", \".\" or \"-\"",
		    name, LISTENER_NAME_MAX);
		return;
	}
	for (uint32_t i = 0; i < conf->settings->listener_count; i++) {
		other = &conf->settings->listeners[i];
		if (other == listener || other->name == NULL ||
		    strcmp(other->name, name) != 0)
			continue;
		problem_error(conf->problems, at,
		    "name: \"%s\" is already the name of the listener in "
		    "%s:%u; each needs its own",
		    name, other->origin.file, other->origin.line);
		return;
	}
}

static void
check_mode(struct conf *conf, const struct origin *at,
    struct listener_settings *listener)
{
	if (!conf_mode(listener->mode, &listener->unix_rights.mode))
		problem_error(conf->problems, at,
		    "mode: \"%s\" is not an octal mode, such as \"0660\"",
		    listener->mode);
}

/*
 * Look at what was written: an address that was refused may still be meant as a
 * path.
 */
static bool
means_unix_path(const struct listener_settings *listener)
{
	const char *text;

	for (uint32_t i = 0; i < listener->listen_count; i++) {
		text = listener->listen[i].text;
		if (strncmp(text, "unix:", 5) == 0 && text[5] != '@')
			return true;
	}
	return listener->listen_count == 0;
}

static void
check_unix(struct conf *conf, const char *file, const struct node *group,
    struct listener_settings *listener)
{
	struct origin mode = child_origin(file, group, "mode");
	struct origin owner = child_origin(file, group, "owner");

	if (listener->mode != NULL)
		check_mode(conf, &mode, listener);
	if (listener->owner != NULL)
		conf_owner(conf, &owner, listener->owner,
		    &listener->unix_rights.owner);
	if (means_unix_path(listener))
		return;
	if (listener->mode != NULL)
		problem_error(conf->problems, &mode,
		    "mode: this is only for unix:/path, and the listener has "
		    "none; remove it");
	if (listener->owner != NULL)
		problem_error(conf->problems, &owner,
		    "owner: this is only for unix:/path, and the listener has "
		    "none; remove it");
}

static void
check_limits(struct conf *conf, const char *file, const struct node *group,
    const struct listener_settings *listener)
{
	struct origin at = child_origin(file, group, "limits");
	char queue[VALUE_TEXT_MAX], buffer[VALUE_TEXT_MAX];

	value_size_text(listener->limits.write_queue, queue);
	value_size_text(listener->limits.write_buffer, buffer);
	if (listener->limits.write_queue < listener->limits.write_buffer)
		problem_error(conf->problems, &at,
		    "limits.write_queue (%s) is less than limits.write_buffer "
		    "(%s): set it to \"%s\" or more",
		    queue, buffer, buffer);
}

/*
 * `plugin` is the name of a plugin or a path, but not the bare name of a file.
 */
static void
check_plugin(struct conf *conf, const struct listener_settings *listener)
{
	const char *plugin = listener->plugin;
	size_t len = plugin != NULL ? strlen(plugin) : 0;

	if (len > 3 && strcmp(plugin + len - 3, ".so") == 0 &&
	    strchr(plugin, '/') == NULL)
		problem_error(conf->problems, &listener->plugin_origin,
		    "plugin: \"%s\" means %s.so in plugin_dir; write "
		    "\"%.*s\", or a path with a slash, such as \"./%s\"",
		    plugin, plugin, (int)len - 3, plugin, plugin);
}

static void
resolve_proxies(struct conf *conf, struct listener_settings *listener)
{
	const struct key_string *entry;
	struct network network, *added;
	struct error err;

	for (uint32_t i = 0; i < listener->proxy.from_count; i++) {
		entry = &listener->proxy.from[i];
		if (i == NETWORKS_MAX) {
			problem_error(conf->problems, &entry->origin,
			    "proxy_protocol.from: there may be at most %d",
			    NETWORKS_MAX);
			return;
		}
		if (network_parse(entry->text, &network, &err) == -1) {
			problem_error(conf->problems, &entry->origin,
			    "proxy_protocol.from: %s", err.text);
			continue;
		}
		added = listener_add_network(listener);
		if (added != NULL)
			*added = network;
		else
			problem_error(conf->problems, &entry->origin,
			    "out of memory");
	}
}

void
conf_listener(struct conf *conf, const char *file, const struct node *group,
    struct listener_settings *listener)
{
	struct origin name = child_origin(file, group, "name");

	resolve_listen(conf, listener);
	if (listener->name != NULL)
		check_name(conf, &name, listener);
	check_unix(conf, file, group, listener);
	check_limits(conf, file, group, listener);
	check_plugin(conf, listener);
	conf_tls(conf, listener);
	resolve_proxies(conf, listener);
}

/* conf_listener.c: one element of `listeners`. */

#include <stdlib.h>
#include <string.h>

#include "conf_internal.h"
#include "error.h"
#include "keys.h"
#include "problems.h"
#include "settings.h"
#include "shm.h"
#include "tree.h"
#include "value.h"

#define NAME_MAX_LEN 64
#define ADDRESSES_MAX 256 /* of one listener; each is a socket in each worker */
#define ADDRESSES_ALL_MAX 4096 /* of all: each is compared with each */

static struct origin
child_origin(const char *file, const struct node *group, const char *name)
{
	uint32_t i;

	for (i = 0; i < group->count; i++)
		if (strcmp(group->children[i].name, name) == 0)
			return conf_origin(file, &group->children[i]);
	return conf_origin(file, group);
}

/* Two listeners, or one twice, cannot have the same address. */
static bool
address_is_free(struct conf *conf, const struct origin *at,
    const struct listener_settings *listener, const struct address *address)
{
	const struct listener_settings *other;
	const struct listener_address *taken;
	char text[ADDRESS_TEXT_MAX];
	uint32_t i, j;

	for (i = 0; i < conf->settings->listener_count; i++) {
		other = &conf->settings->listeners[i];
		/* Port 0 is another port each time. */
		if (other != listener && address->kind == ADDRESS_TCP &&
		    address_port(address) == 0)
			continue;
		for (j = 0; j < other->address_count; j++) {
			taken = &other->addresses[j];
			if (!address_conflict(&taken->address, address))
				continue;
			problem_error(conf->problems, at,
			    "listen: %s is taken "
			    "by \"%s\" in %s:%u",
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
		    "listen: more than %d "
		    "addresses of one listener, or %d of all",
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
read_listen(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, struct listener_settings *listener)
{
	struct address found[ADDRESSES_MAX];
	const struct node *entries;
	struct origin at;
	struct error err;
	uint32_t i, count;
	int j, found_count;

	entries = conf_strings(conf, file, key, node, &count);
	for (i = 0; entries != NULL && i < count; i++) {
		at = conf_origin(file, &entries[i]);
		found_count = address_resolve(entries[i].string, found,
		    ADDRESSES_MAX, &err);
		if (found_count == -1)
			problem_error(conf->problems, &at, "listen: %s",
			    err.text);
		for (j = 0; j < found_count; j++)
			add_address(conf, &at, listener, &found[j]);
	}
}

static void
listener_special(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, void *base)
{
	struct origin at = conf_origin(file, node);

	if (key->type == KEY_LISTEN)
		read_listen(conf, file, key, node, base);
	else if (key->type == KEY_OPTIONS && node->type == NODE_GROUP)
		conf_options(conf, file, node, base);
	else if (key->type == KEY_OPTIONS)
		problem_error(conf->problems, &at,
		    "%s: expected %s, such as "
		    "%s; this is %s",
		    key->name, key_expects(key), key->example,
		    node_type_name(node));
}

static void
check_name(struct conf *conf, const struct origin *at,
    const struct listener_settings *listener)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const struct listener_settings *other;
	const char *name = listener->name;
	uint32_t i;

	if (strspn(name, allowed) != strlen(name) || strlen(name) > NAME_MAX_LEN) {
		problem_error(conf->problems, at,
		    "name: \"%s\" is not made of "
		    "1 to %d letters, digits, \"_\", \".\" and \"-\"",
		    name, NAME_MAX_LEN);
		return;
	}
	for (i = 0; i < conf->settings->listener_count; i++) {
		other = &conf->settings->listeners[i];
		if (other == listener || other->name == NULL ||
		    strcmp(other->name, name) != 0)
			continue;
		problem_error(conf->problems, at,
		    "name: \"%s\" is the name of "
		    "the listener in %s:%u already",
		    name, other->origin.file, other->origin.line);
		return;
	}
}

static void
check_mode(struct conf *conf, const struct origin *at,
    struct listener_settings *listener)
{
	if (!conf_mode(listener->mode, &listener->unix_mode))
		problem_error(conf->problems, at,
		    "mode: \"%s\" is not an "
		    "octal mode, such as \"0660\"",
		    listener->mode);
}

static bool
has_unix_path(const struct listener_settings *listener)
{
	uint32_t i;

	for (i = 0; i < listener->address_count; i++)
		if (listener->addresses[i].address.kind == ADDRESS_UNIX)
			return true;
	return false;
}

static void
check_unix(struct conf *conf, const char *file, const struct node *group,
    struct listener_settings *listener, bool whole)
{
	struct origin mode = child_origin(file, group, "mode");
	struct origin owner = child_origin(file, group, "owner");

	if (listener->mode != NULL)
		check_mode(conf, &mode, listener);
	if (listener->owner != NULL)
		conf_owner(conf, &owner, listener->owner, listener);
	/* An address that was refused may have been the path. */
	if (!whole || has_unix_path(listener))
		return;
	if (listener->mode != NULL)
		problem_error(conf->problems, &mode,
		    "mode: the listener has "
		    "no unix:/path that could have one");
	if (listener->owner != NULL)
		problem_error(conf->problems, &owner,
		    "owner: the listener has "
		    "no unix:/path that could have one");
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

/* The name of a plugin, not of its file. */
static void
check_plugin(struct conf *conf, const struct listener_settings *listener)
{
	const char *plugin = listener->plugin;
	size_t len = plugin != NULL ? strlen(plugin) : 0;

	if (len > 3 && strcmp(plugin + len - 3, ".so") == 0 &&
	    strchr(plugin, '/') == NULL)
		problem_error(conf->problems, &listener->plugin_origin,
		    "plugin: \"%s\" would be %s.so in plugin_dir: write "
		    "\"%.*s\", or a path with a slash, such as \"./%s\"",
		    plugin, plugin, (int)len - 3, plugin, plugin);
}

void
conf_listener(struct conf *conf, const char *file, const struct node *group)
{
	struct origin at = conf_origin(file, group), name;
	struct listener_settings *listener;
	uint32_t errors = conf->problems->errors;

	if (group->type != NODE_GROUP) {
		problem_error(conf->problems, &at,
		    "listeners: expected "
		    "groups, such as { name = \"echo\"; }; this is %s",
		    node_type_name(group));
		return;
	}
	if (conf->settings->listener_count == SHM_LISTENERS_MAX) {
		problem_error(conf->problems, &at, "listeners: more than %d",
		    SHM_LISTENERS_MAX);
		return;
	}
	listener = settings_add_listener(conf->settings);
	if (listener == NULL) {
		problem_error(conf->problems, &at, "out of memory");
		return;
	}
	listener->origin = at;
	conf_group(conf, file, group, listener_keys, listener, "",
	    listener_special);
	name = child_origin(file, group, "name");
	if (listener->name != NULL)
		check_name(conf, &name, listener);
	check_unix(conf, file, group, listener, conf->problems->errors == errors);
	check_limits(conf, file, group, listener);
	check_plugin(conf, listener);
}

/*
 * conf_endpoint.c: what is checked of listeners and connectors alike: their
 * names, limits and plugins.
 */

#include <string.h>

#include "config/settings.h"
#include "config/value.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "reader/tree.h"

struct origin
conf_child_origin(const char *file, const struct node *group, const char *name)
{
	for (uint32_t i = 0; i < group->count; i++)
		if (strcmp(group->children[i].name, name) == 0)
			return conf_origin(file, &group->children[i]);
	return conf_origin(file, group);
}

bool
conf_name(struct conf *conf, const struct origin *at, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (strspn(name, allowed) == strlen(name) &&
	    strlen(name) <= LISTENER_NAME_MAX)
		return true;
	problem_error(conf->problems, at,
	    "name: \"%s\" is not a valid name: use 1 to %d letters, "
	    "digits, \"_\", \".\" or \"-\"",
	    name, LISTENER_NAME_MAX);
	return false;
}

static void
check_name(struct conf *conf, const struct origin *at,
    const struct listener_settings *listener)
{
	const struct listener_settings *other;
	const char *name = listener->name;

	if (!conf_name(conf, at, name))
		return;
	for (uint32_t i = 0; i < settings_endpoints(conf->settings); i++) {
		other = settings_endpoint(conf->settings, i);
		if (other == listener || other->name == NULL ||
		    strcmp(other->name, name) != 0)
			continue;
		problem_error(conf->problems, at,
		    "name: \"%s\" is already the name of the %s in %s:%u; "
		    "each needs its own",
		    name, endpoint_kind(other), other->origin.file,
		    other->origin.line);
		return;
	}
}

static void
check_limits(struct conf *conf, const char *file, const struct node *group,
    const struct listener_settings *listener)
{
	struct origin at = conf_child_origin(file, group, "limits");
	char queue[VALUE_TEXT_MAX], buffer[VALUE_TEXT_MAX];

	value_size_text(listener->limits.write_queue, queue);
	value_size_text(listener->limits.write_buffer, buffer);
	if (listener->limits.write_queue < listener->limits.write_buffer)
		problem_error(conf->problems, &at,
		    "limits.write_queue (%s) is less than limits.write_buffer "
		    "(%s); write limits = { write_queue = \"%s\"; }; or more",
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

void
conf_endpoint(struct conf *conf, const char *file, const struct node *group,
    struct listener_settings *endpoint)
{
	struct origin name = conf_child_origin(file, group, "name");

	if (endpoint->name != NULL)
		check_name(conf, &name, endpoint);
	check_limits(conf, file, group, endpoint);
	check_plugin(conf, endpoint);
	conf_connect_tls(conf, endpoint);
}

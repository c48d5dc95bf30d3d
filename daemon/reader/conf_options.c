/*
 * conf_options.c: the options of a plugin.  Only the plugin knows what they
 * mean; here they become a flat list of paths and values.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "reader/tree.h"

#define PATH_LEN_MAX 256 /* "limits.burst": more than any option needs */

static bool
set_strings(struct raw_option *option, const struct node *nodes, uint32_t count)
{
	option->strings = calloc((size_t)count + 1, sizeof(*option->strings));
	if (option->strings == NULL)
		return false;
	option->count = count;
	for (uint32_t i = 0; i < count; i++)
		if ((option->strings[i] = strdup(nodes[i].string)) == NULL)
			return false;
	return true;
}

static bool
set_value(struct raw_option *option, const struct node *node)
{
	switch (node->type) {
	case NODE_INT:
		option->type = RAW_INT;
		option->integer = node->integer;
		return true;
	case NODE_BOOL:
		option->type = RAW_BOOL;
		option->integer = node->integer;
		return true;
	case NODE_FLOAT:
		option->type = RAW_FLOAT;
		option->real = node->real;
		return true;
	case NODE_STRING:
		option->type = RAW_STRING;
		return set_strings(option, node, 1);
	default:
		option->type = RAW_STRINGS;
		return set_strings(option, node->children, node->count);
	}
}

/* Is it a value that an option can have? */
static bool
check_value(struct conf *conf, const char *file, const char *path,
    const struct node *node)
{
	struct origin at = conf_origin(file, node);
	char name[PATH_LEN_MAX + 16];

	if (node->type == NODE_FLOAT && !isfinite(node->real)) {
		problem_error(conf->problems, &at,
		    "options.%s: the number is too large", path);
		return false;
	}
	snprintf(name, sizeof(name), "options.%s", path);
	for (uint32_t i = 0; i < node->count; i++) {
		if (node->children[i].type == NODE_STRING) {
			conf_joined(conf, file, name, &node->children[i]);
			continue;
		}
		at = conf_origin(file, &node->children[i]);
		problem_error(conf->problems, &at,
		    "options.%s: a list may contain only strings; this is %s",
		    path, node_type_name(&node->children[i]));
		return false;
	}
	return true;
}

static void
add_option(struct conf *conf, const char *file, const char *path,
    const struct node *node, const struct key *key, void *base)
{
	struct origin at = conf_origin(file, node);
	struct raw_option *option;

	if (!check_value(conf, file, path, node))
		return;
	option = keys_add(key, base);
	if (option == NULL || (option->path = strdup(path)) == NULL ||
	    !set_value(option, node)) {
		problem_error(conf->problems, &at, "out of memory");
		return;
	}
	option->origin = at;
}

static void
add_group(struct conf *conf, const char *file, const char *prefix,
    const struct node *group, const struct key *key, void *base)
{
	const struct node *node;
	struct origin at;
	char path[PATH_LEN_MAX];
	int len;

	for (uint32_t i = 0; i < group->count; i++) {
		node = &group->children[i];
		at = conf_origin(file, node);
		len = snprintf(path, sizeof(path), "%s%s%s", prefix,
		    *prefix != '\0' ? "." : "", node->name);
		if (len >= (int)sizeof(path))
			problem_error(conf->problems, &at,
			    "options.%.40s...: the name is too long", path);
		else if (node->type == NODE_GROUP)
			add_group(conf, file, path, node, key, base);
		else
			add_option(conf, file, path, node, key, base);
	}
}

void
conf_options(struct conf *conf, const char *file, const struct key *key,
    const struct node *group, void *base)
{
	add_group(conf, file, "", group, key, base);
}

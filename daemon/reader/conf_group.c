/* conf_group.c: reads a group of the file by a table of keys. */

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/keys.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "reader/tls_input.h"
#include "reader/tree.h"

struct origin
conf_origin(const char *file, const struct node *node)
{
	return (struct origin){ .file = file, .line = node->line };
}

static int
wrong_type(const struct key *key, const struct node *node, struct error *err)
{
	return error_set(err, "expected %s, such as %s; this is %s",
	    key_expects(key), key->example != NULL ? key->example : key->value,
	    node_type_name(node));
}

static int
set_value(const struct key *key, const struct node *node, void *base,
    struct error *err)
{
	switch (node->type) {
	case NODE_BOOL:
		return key_set_bool(key, base, node->integer != 0, err);
	case NODE_INT:
		return key_set_int(key, base, node->integer, err);
	case NODE_FLOAT:
		return key_set_float(key, base, node->real, err);
	case NODE_STRING:
		return key_set_string(key, base, node->string, err);
	case NODE_GROUP:
	case NODE_LIST:
		break;
	}
	return wrong_type(key, node, err);
}

static void
plain_value(struct conf *conf, const struct origin *at, const struct key *key,
    const struct node *node, void *base, const char *prefix)
{
	struct error err;

	if (node->type == NODE_INT && node->refused)
		return;
	if (set_value(key, node, base, &err) == -1) {
		problem_error(conf->problems, at, "%s%s: %s", prefix, key->name,
		    err.text);
		return;
	}
	if (key->origin != 0)
		*key_origin(key, base) = *at;
}

static void
sub_group(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, void *base, const char *prefix)
{
	char inner[64];

	if (key->present != 0)
		*key_present(key, base) = true;
	if (key->origin != 0)
		*key_origin(key, base) = conf_origin(file, node);
	snprintf(inner, sizeof(inner), "%s%s.", prefix, key->name);
	conf_group(conf, file, node, key->keys, key_field(key, base), inner);
}

static void
stored(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, void *at)
{
	if (conf->on_stored != NULL)
		conf->on_stored(conf, file, key, node, at);
}

static void *
add_element(struct conf *conf, const struct origin *at, const struct key *array,
    void *base)
{
	void *added = keys_add(array, base);

	if (added == NULL)
		problem_error(conf->problems, at, "out of memory");
	return added;
}

static void
add_group(struct conf *conf, const char *file, const struct key *key,
    const struct node *group, void *base, const char *prefix)
{
	struct origin at = conf_origin(file, group);
	void *added;

	if (group->type != NODE_GROUP) {
		problem_error(conf->problems, &at,
		    "%s%s: expected groups in the list, such as %s; "
		    "this is %s",
		    prefix, key->name, key->example, node_type_name(group));
		return;
	}
	if (*key_count(key, base) >= key->max) {
		problem_error(conf->problems, &at,
		    "%s%s: there may be at most %lld", prefix, key->name,
		    (long long)key->max);
		return;
	}
	added = add_element(conf, &at, key, base);
	if (added == NULL)
		return;
	if (key->origin != 0)
		*key_origin(key, added) = at;
	conf_group(conf, file, group, key->keys, added, "");
	stored(conf, file, key, group, added);
}

/* One string, or a list of them.  An empty list is a mistake. */
static const struct node *
find_strings(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, const char *prefix, uint32_t *ret_count)
{
	const struct node *wrong = NULL;
	struct origin at;
	struct error err;

	*ret_count = 1;
	if (node->type == NODE_STRING)
		return node;
	if (node->type != NODE_LIST || node->count == 0)
		wrong = node;
	for (uint32_t i = 0; wrong == NULL && i < node->count; i++)
		if (node->children[i].type != NODE_STRING)
			wrong = &node->children[i];
	if (wrong == NULL) {
		*ret_count = node->count;
		return node->children;
	}
	at = conf_origin(file, wrong);
	wrong_type(key, wrong, &err);
	if (wrong->type == NODE_LIST && wrong->count == 0)
		error_set(&err, "the list is empty; write at least one string");
	problem_error(conf->problems, &at, "%s%s: %s", prefix, key->name,
	    err.text);
	return NULL;
}

void
conf_joined(struct conf *conf, const char *file, const char *name,
    const struct node *node)
{
	struct origin at = conf_origin(file, node);

	/* A PEM text may be written line by line. */
	if (node->joined && !tls_input_inline(node->string))
		problem_warn(conf->problems, &at,
		    "%s: strings without a comma between them are one string, "
		    "\"%s\"; write a comma, or only one string",
		    name, node->string);
}

static void
add_strings(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, void *base, const char *prefix)
{
	const struct node *strings;
	struct key_string *added;
	uint32_t count;
	char name[64];

	snprintf(name, sizeof(name), "%s%s", prefix, key->name);
	strings = find_strings(conf, file, key, node, prefix, &count);
	for (uint32_t i = 0; strings != NULL && i < count; i++) {
		struct origin at = conf_origin(file, &strings[i]);

		if (strings != node)
			conf_joined(conf, file, name, &strings[i]);
		added = add_element(conf, &at, key, base);
		if (added == NULL)
			return;
		added->origin = at;
		added->text = strdup(strings[i].string);
		if (added->text == NULL) {
			problem_error(conf->problems, &at, "out of memory");
			return;
		}
	}
	stored(conf, file, key, node, base);
}

static void
required_keys(struct conf *conf, const char *file, const struct node *group,
    const struct key *keys, const char *prefix)
{
	struct origin at = conf_origin(file, group);
	const struct key *key;
	uint32_t i;

	for (key = keys; key->name != NULL; key++) {
		if (!(key->flags & KEY_REQUIRED) || key->flags & KEY_INCLUDED)
			continue;
		for (i = 0; i < group->count; i++)
			if (strcmp(group->children[i].name, key->name) == 0)
				break;
		if (i == group->count)
			problem_error(conf->problems, &at,
			    "the key \"%s%s\" is missing; add it, such as "
			    "%s = %s",
			    prefix, key->name, key->name, key->example);
	}
}

/* Does the value have this type, a group or a list? */
static bool
is_type(struct conf *conf, const struct origin *at, const struct key *key,
    const struct node *node, enum node_type type, const char *prefix)
{
	struct error err;

	if (node->type == type)
		return true;
	wrong_type(key, node, &err);
	problem_error(conf->problems, at, "%s%s: %s", prefix, key->name,
	    err.text);
	return false;
}

void
conf_key(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, void *base, const char *prefix)
{
	struct origin at = conf_origin(file, node);

	switch (key->type) {
	case KEY_GROUP:
		if (is_type(conf, &at, key, node, NODE_GROUP, prefix))
			sub_group(conf, file, key, node, base, prefix);
		break;
	case KEY_OPTIONS:
		if (is_type(conf, &at, key, node, NODE_GROUP, prefix))
			conf_options(conf, file, key, node, base);
		break;
	case KEY_GROUPS:
		if (is_type(conf, &at, key, node, NODE_LIST, prefix))
			for (uint32_t i = 0; i < node->count; i++)
				add_group(conf, file, key, &node->children[i],
				    base, prefix);
		break;
	case KEY_STRINGS:
		add_strings(conf, file, key, node, base, prefix);
		break;
	case KEY_REFUSED:
		problem_error(conf->problems, &at, "%s%s: %s", prefix,
		    key->name, key->help);
		break;
	default:
		plain_value(conf, &at, key, node, base, prefix);
		break;
	}
}

void
conf_group(struct conf *conf, const char *file, const struct node *group,
    const struct key *keys, void *base, const char *prefix)
{
	const struct node *node;
	const struct key *key;
	struct origin at;

	for (uint32_t i = 0; i < group->count; i++) {
		node = &group->children[i];
		at = conf_origin(file, node);
		key = key_find(keys, node->name);
		if (key == NULL) {
			conf_unknown(conf, &at, node->name, keys, prefix);
			continue;
		}
		conf_key(conf, file, key, node, base, prefix);
		if (key_set_line(keys, key, base, node->line) == -1)
			problem_error(conf->problems, &at, "out of memory");
	}
	required_keys(conf, file, group, keys, prefix);
}

/*
 * conf_unknown.c: what was probably meant by a key that does not exist.  Most
 * of them are misspelt, or stand outside of their group, where other programs
 * have max_connections or idle_timeout.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/keys.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"

#define DEPTH_MAX 8	/* groups in groups; ours need three */
#define GROUP_LEN_MIN 3 /* "log" */
#define PART_LEN_MIN 4	/* "max" or "on" is part of too many names */

/* How well a key of a group fits, from the best. */
enum fit {
	FIT_SAME,
	FIT_GROUP, /* "log_level", "idle_timeout": the group and its key */
	FIT_PART,  /* "max_connections": the key and something else */
	FIT_NEAR,  /* a typo */
	FIT_NONE,
};

struct search {
	const char *name;
	const struct key *path[DEPTH_MAX]; /* the groups we are in */
	unsigned int depth;
	/* The best so far: the key, and the groups it is in. */
	enum fit fit;
	const struct key *found[DEPTH_MAX + 1];
	unsigned int found_depth;
};

/* Does `rest`, with its length, begin the name of the group? */
static bool
names_group(const struct key *group, const char *rest, size_t len)
{
	return len > 1 && strncmp(group->name, rest, len) == 0;
}

/* Is it the name of the key and more, mostly with "_" between the two? */
static enum fit
fit_part(const char *name, const struct key *group, const struct key *key)
{
	size_t len = strlen(name), part = strlen(key->name);
	const char *rest;

	/* "loglevel", "idletimeout" */
	if (len >= part + GROUP_LEN_MIN &&
	    ((strcmp(name + len - part, key->name) == 0 &&
		 names_group(group, name, len - part)) ||
		(strncmp(name, key->name, part) == 0 &&
		    names_group(group, name + part, len - part))))
		return FIT_GROUP;
	if (len <= part + 1)
		return FIT_NONE;
	if (strncmp(name, key->name, part) == 0 && name[part] == '_')
		rest = name + part + 1;
	else if (strcmp(name + len - part, key->name) == 0 &&
	    name[len - part - 1] == '_')
		rest = name;
	else
		return FIT_NONE;
	if (names_group(group, rest, len - part - 1))
		return FIT_GROUP;
	/* There are many timeouts, and one is called so. */
	return part >= PART_LEN_MIN && strcmp(key->name, "timeout") != 0
	    ? FIT_PART
	    : FIT_NONE;
}

static enum fit
fit(const char *name, const struct key *group, const struct key *key)
{
	struct nearest nearest = NEAREST_NONE;
	enum fit part;

	if (key->type == KEY_REFUSED)
		return FIT_NONE;
	if (strcmp(name, key->name) == 0)
		return FIT_SAME;
	part = fit_part(name, group, key);
	if (part != FIT_NONE)
		return part;
	nearest_try(&nearest, name, key->name);
	return nearest.word != NULL ? FIT_NEAR : FIT_NONE;
}

static void
look_in(struct search *search, const struct key *group)
{
	const struct key *key;
	enum fit how;

	if (search->depth == DEPTH_MAX)
		return;
	search->path[search->depth++] = group;
	for (key = group->keys; key->name != NULL; key++) {
		how = fit(search->name, group, key);
		if (how < search->fit) {
			search->fit = how;
			search->found_depth = search->depth;
			memcpy(search->found, search->path,
			    search->depth * sizeof(search->path[0]));
			search->found[search->depth] = key;
		}
		if (key->keys != NULL)
			look_in(search, key);
	}
	search->depth--;
}

/* Look in the groups of the table, and in theirs. */
static bool
look_below(struct search *search, const struct key *keys)
{
	for (; keys->name != NULL; keys++)
		if (keys->keys != NULL)
			look_in(search, keys);
	return search->fit != FIT_NONE;
}

/* "limits = { connections = 100; };", from the group number `at` on. */
static void
write_path(const struct search *search, unsigned int at, char *text,
    size_t room)
{
	const struct key *key = search->found[at];
	bool list = key->type == KEY_GROUPS;
	size_t used;

	if (at == search->found_depth) {
		snprintf(text, room, "%s = %s;", key->name,
		    key->example != NULL ? key->example : key->value);
		return;
	}
	used = (size_t)snprintf(text, room, "%s = %s{ ", key->name,
	    list ? "( " : "");
	write_path(search, at + 1, text + used, room - used);
	used += strlen(text + used);
	snprintf(text + used, room - used, " }%s;", list ? " )" : "");
}

/*
 * Which group the key belongs in.  Some names are those of several: `limits` of
 * a listener is not `limits` of the main file.
 */
static void
write_group(const struct search *search, const char *prefix, char *text,
    size_t room)
{
	const struct key *const *last = &search->found[search->found_depth - 1];
	const char *name = (*last)->name;
	size_t len = strlen(name);
	bool same = strncmp(prefix, name, len) == 0 && prefix[len] == '.';

	if ((*last)->type != KEY_GROUP)
		snprintf(text, room, "a group of \"%s\"", name);
	else if (search->found_depth > 1 && last[-1]->type != KEY_GROUP)
		snprintf(text, room, "the group \"%s\" of a group of \"%s\"",
		    name, last[-1]->name);
	else if (search->found_depth == 1 && same)
		snprintf(text, room, "the group \"%s\" of the main file", name);
	else
		snprintf(text, room, "the group \"%s\"", name);
}

static void
belongs_elsewhere(struct conf *conf, const struct origin *at,
    const struct search *search, const char *prefix)
{
	const struct key *key = search->found[search->found_depth];
	char text[ERROR_TEXT_MAX], in[128];

	write_group(search, prefix, in, sizeof(in));
	write_path(search, 0, text, sizeof(text));
	if (search->fit == FIT_SAME)
		problem_error(conf->problems, at,
		    "unknown key \"%s%s\"; it belongs in %s: write %s", prefix,
		    search->name, in, text);
	else
		problem_error(conf->problems, at,
		    "unknown key \"%s%s\"; did you mean \"%s\" in %s? Write %s",
		    prefix, search->name, key->name, in, text);
}

/* A key of the main file, which stands in a group. */
static bool
belongs_above(struct conf *conf, const struct origin *at, const char *name,
    const char *prefix)
{
	const struct key *key = key_find(settings_keys, name);

	if (key == NULL)
		return false;
	problem_error(conf->problems, at,
	    "unknown key \"%s%s\"; \"%s\" belongs outside of all groups, in the "
	    "main file",
	    prefix, name, name);
	return true;
}

/* "certificate" for "cert" */
static bool
begins_with(const char *name, const char *key)
{
	size_t part = strlen(key);

	return part >= PART_LEN_MIN && strncmp(name, key, part) == 0;
}

/* Is the name of a key of this very group part of the name, or near to it? */
static const char *
meant_here(const struct search *below, const char *name, const struct key *keys)
{
	static const struct key no_group = { .name = "" };
	struct nearest nearest = key_nearest(keys, name);

	if (nearest.word != NULL &&
	    (nearest.distance == 1 || below->fit != FIT_SAME))
		return nearest.word;
	for (; below->fit > FIT_GROUP && keys->name != NULL; keys++)
		if (keys->type != KEY_REFUSED &&
		    (fit_part(name, &no_group, keys) == FIT_PART ||
			begins_with(name, keys->name)))
			return keys->name;
	return NULL;
}

void
conf_unknown(struct conf *conf, const struct origin *at, const char *name,
    const struct key *keys, const char *prefix)
{
	struct search search = { .name = name, .fit = FIT_NONE };
	const char *here;

	look_below(&search, keys);
	here = meant_here(&search, name, keys);
	if (here != NULL)
		problem_error(conf->problems, at,
		    "unknown key \"%s%s\"; did you mean \"%s%s\"?", prefix,
		    name, prefix, here);
	else if (belongs_above(conf, at, name, prefix))
		return;
	else if (search.fit != FIT_NONE || look_below(&search, settings_keys))
		belongs_elsewhere(conf, at, &search, prefix);
	else
		problem_error(conf->problems, at,
		    "unknown key \"%s%s\"; sluice.conf(5) describes all keys%s",
		    prefix, name,
		    keys == listener_keys || keys == connector_keys
			? ", and those of the plugin stand in options = { }"
			: "");
}

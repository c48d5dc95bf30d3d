/*
 * key_walk.c: walks over a struct by its table: to set its defaults, to free
 * it, and to compare two; the lines of its keys.  The reader (reader/conf_group.c) and the bundle
 * (bundle_pack.c, bundle_unpack.c) have walks of their own.
 */

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "config/keys.h"

static size_t
element_size(const struct key *array)
{
	if (array->type == KEY_GROUPS)
		return array->size;
	return array->type == KEY_STRINGS ? sizeof(struct key_string)
					  : sizeof(struct raw_option);
}

/* The field is a pointer, of one type or another. */
static void *
get_items(const struct key *array, const void *base)
{
	void *items;

	memcpy(&items, key_field(array, base), sizeof(items));
	return items;
}

static void
set_items(const struct key *array, void *base, void *items)
{
	memcpy(key_field(array, base), &items, sizeof(items));
}

void *
keys_at(const struct key *array, const void *base, uint32_t at)
{
	return (char *)get_items(array, base) + at * element_size(array);
}

void *
keys_add(const struct key *array, void *base)
{
	void *items = get_items(array, base), *added;
	uint32_t *count = key_count(array, base);

	added = array_grow(&items, *count, element_size(array));
	set_items(array, base, items);
	if (added == NULL)
		return NULL;
	if (array->type == KEY_GROUPS &&
	    keys_set_defaults(array->keys, added) == -1) {
		keys_free(array->keys, added);
		return NULL;
	}
	++*count;
	return added;
}

static uint32_t
row_count(const struct key *keys)
{
	uint32_t count = 0;

	while (keys[count].name != NULL)
		count++;
	return count;
}

uint32_t
key_line(const struct key *keys, const struct key *key, const void *base)
{
	const struct key_lines *lines = base;

	return lines->of != NULL ? lines->of[key - keys] : 0;
}

int
key_set_line(const struct key *keys, const struct key *key, void *base,
    uint32_t line)
{
	struct key_lines *lines = base;

	if (lines->of == NULL)
		lines->of = calloc(row_count(keys), sizeof(*lines->of));
	if (lines->of == NULL)
		return -1;
	lines->of[key - keys] = line;
	return 0;
}

int
keys_set_defaults(const struct key *keys, void *base)
{
	for (; keys->name != NULL; keys++) {
		if (keys->type == KEY_GROUP &&
		    keys_set_defaults(keys->keys, key_field(keys, base)) == -1)
			return -1;
		if (keys->value != NULL && key_set_default(keys, base) == -1)
			return -1;
		if (keys->resolved != 0)
			memset((char *)base + keys->resolved, 0xff,
			    keys->resolved_size);
	}
	return 0;
}

static void
option_done(struct raw_option *option)
{
	free(option->path);
	if (option->strings != NULL)
		for (uint32_t i = 0; i < option->count; i++)
			free(option->strings[i]);
	free(option->strings);
}

static void
array_done(const struct key *array, void *base)
{
	uint32_t i, *count = key_count(array, base);
	void *at;

	for (i = 0; i < *count; i++) {
		at = keys_at(array, base, i);
		if (array->type == KEY_GROUPS)
			keys_free(array->keys, at);
		else if (array->type == KEY_OPTIONS)
			option_done(at);
		else
			free(((struct key_string *)at)->text);
	}
	free(get_items(array, base));
	set_items(array, base, NULL);
	*count = 0;
}

void
keys_free(const struct key *keys, void *base)
{
	struct key_lines *lines = base;
	char **string;

	free(lines->of);
	lines->of = NULL;
	for (; keys->name != NULL; keys++) {
		switch (keys->type) {
		case KEY_STRING:
			string = key_field(keys, base);
			free(*string);
			*string = NULL;
			break;
		case KEY_GROUP:
			keys_free(keys->keys, key_field(keys, base));
			break;
		case KEY_GROUPS:
		case KEY_STRINGS:
		case KEY_OPTIONS:
			array_done(keys, base);
			break;
		default: /* owns nothing */
			break;
		}
	}
}

/* NULL: absent. */
static bool
same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_value(const struct key *key, const void *a, const void *b)
{
	const void *at_a = key_field(key, a), *at_b = key_field(key, b);

	/* Compare what a name resolves to, not how it is written. */
	if (key->resolved != 0)
		return memcmp((const char *)a + key->resolved,
			   (const char *)b + key->resolved,
			   key->resolved_size) == 0;
	switch (key->type) {
	case KEY_STRING:
		return same_string(*(char *const *)at_a, *(char *const *)at_b);
	case KEY_BOOL:
		return *(const bool *)at_a == *(const bool *)at_b;
	case KEY_INT:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_WORD:
		return *(const int64_t *)at_a == *(const int64_t *)at_b;
	default: /* no row of such a type has KEY_RESTART */
		return true;
	}
}

const struct key *
keys_restart(const struct key *keys, const void *a, const void *b,
    struct origin *ret_origin)
{
	const struct key *found;

	for (; keys->name != NULL; keys++) {
		if (keys->type == KEY_GROUP) {
			found = keys_restart(keys->keys, key_field(keys, a),
			    key_field(keys, b), ret_origin);
			if (found != NULL)
				return found;
		} else if (keys->flags & KEY_RESTART &&
		    !same_value(keys, a, b)) {
			*ret_origin = *key_origin(keys, b);
			return keys;
		}
	}
	return NULL;
}

/* key_changes.c: how two structs of the same table differ, in words. */

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"
#include "config/value.h"

#define KEY_PATH_MAX 192
/* Of a value; what differs only behind that is not seen. */
#define SHOWN_MAX PATH_MAX
/*
 * Two long lists are not compared string by string: a thousand listeners may
 * have such lists, and the master does nothing else meanwhile.
 */
#define PAIRS_MAX 20000

static const char *
string_text(const struct key *key, const void *base, char text[SHOWN_MAX])
{
	const char *string = *(char *const *)key_field(key, base);

	if (string == NULL)
		return "not set";
	snprintf(text, SHOWN_MAX, "\"%s\"", string);
	return text;
}

static const char *
word_text(const struct key *key, int64_t value)
{
	const char *word = key_word_text(key, value);

	return word != NULL ? word : "not set"; /* a default without a word */
}

/* NULL: values of this type are not shown. */
static const char *
value_text(const struct key *key, const void *base, char text[SHOWN_MAX])
{
	const void *at = key_field(key, base);
	const struct bool_duration *both = at;

	switch (key->type) {
	case KEY_BOOL:
		return *(const bool *)at ? "true" : "false";
	case KEY_INT:
		snprintf(text, SHOWN_MAX, "%" PRId64, *(const int64_t *)at);
		return text;
	case KEY_DURATION:
		return value_duration_text(*(const uint64_t *)at, text);
	case KEY_SIZE:
		return value_size_text(*(const uint64_t *)at, text);
	case KEY_WORD:
		return word_text(key, *(const int64_t *)at);
	case KEY_STRING:
		return string_text(key, base, text);
	case KEY_BOOL_DURATION:
		if (both->on && both->ms != 0)
			return value_duration_text(both->ms, text);
		return both->on ? "true" : "false";
	case KEY_FRACTION:
		snprintf(text, SHOWN_MAX, "%g", *(const double *)at);
		return text;
	default:
		return NULL;
	}
}

static bool
has_string(const struct key *key, const void *base, const char *text)
{
	const struct key_string *string;

	for (uint32_t i = 0; i < *key_count(key, base); i++) {
		string = keys_at(key, base, i);
		if (strcmp(string->text, text) == 0)
			return true;
	}
	return false;
}

/* Returns whether `in` has strings that `other` does not have. */
static bool
tell_strings(const struct key *key, const void *in, const void *other,
    const char *path, const char *how, key_change *on_change, void *arg)
{
	const struct key_string *string;
	char text[KEY_CHANGE_MAX];
	bool any = false;

	for (uint32_t i = 0; i < *key_count(key, in); i++) {
		string = keys_at(key, in, i);
		if (has_string(key, other, string->text))
			continue;
		snprintf(text, sizeof(text), "%s %s \"%s\"", path, how,
		    string->text);
		on_change(arg, text);
		any = true;
	}
	return any;
}

static bool
same_strings(const struct key *key, const void *a, const void *b)
{
	uint32_t count = *key_count(key, a);
	const struct key_string *in_a, *in_b;

	if (count != *key_count(key, b))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		in_a = keys_at(key, a, i);
		in_b = keys_at(key, b, i);
		if (strcmp(in_a->text, in_b->text) != 0)
			return false;
	}
	return true;
}

static void
compare_strings(const struct key *key, const void *a, const void *b,
    const char *path, key_change *on_change, void *arg)
{
	uint64_t pairs = (uint64_t)*key_count(key, a) * *key_count(key, b);
	char text[KEY_CHANGE_MAX];
	bool any = false;

	if (same_strings(key, a, b))
		return;
	if (pairs <= PAIRS_MAX) {
		any = tell_strings(key, b, a, path, "now has", on_change, arg);
		any = tell_strings(key, a, b, path, "no longer has", on_change,
			  arg) ||
		    any;
	}
	if (any)
		return;
	snprintf(text, sizeof(text), "%s has %s", path,
	    pairs <= PAIRS_MAX ? "another order" : "changed");
	on_change(arg, text);
}

static void compare(const struct key *keys, const void *a, const void *b,
    const char *prefix, key_change *on_change, void *arg);

static void
ignore(void *arg, const char *text)
{
	(void)text;
	*(bool *)arg = true;
}

static bool
same_groups(const struct key *key, const void *a, const void *b)
{
	uint32_t count = *key_count(key, a);
	bool differ = false;

	if (count != *key_count(key, b))
		return false;
	for (uint32_t i = 0; i < count; i++)
		keys_changes(key->keys, keys_at(key, a, i), keys_at(key, b, i),
		    ignore, &differ);
	return !differ;
}

/* A group that is in only one of the files is said as such. */
static bool
appeared(const struct key *key, const void *a, const void *b, const char *path,
    key_change *on_change, void *arg)
{
	char text[KEY_CHANGE_MAX];

	if (key->present == 0 || *key_present(key, a) == *key_present(key, b))
		return false;
	snprintf(text, sizeof(text), "%s is %s", path,
	    *key_present(key, b) ? "new" : "gone");
	on_change(arg, text);
	return true;
}

static void
compare_value(const struct key *key, const void *a, const void *b,
    const char *path, key_change *on_change, void *arg)
{
	char then_room[SHOWN_MAX], now_room[SHOWN_MAX], text[KEY_CHANGE_MAX];
	const char *then = value_text(key, a, then_room);
	const char *now = value_text(key, b, now_room);

	if (key->type == KEY_STRINGS) {
		compare_strings(key, a, b, path, on_change, arg);
		return;
	}
	if (then != NULL && strcmp(then, now) == 0)
		return;
	if (then != NULL)
		snprintf(text, sizeof(text), "%s is %s, was %s", path, now,
		    then);
	else if (same_groups(key, a, b))
		return;
	else
		snprintf(text, sizeof(text), "%s has changed", path);
	on_change(arg, text);
}

/* Has each group of the list a name, by which it is found again? */
static const struct key *
name_of_groups(const struct key *key)
{
	const struct key *name =
	    key->type == KEY_GROUPS ? key_find(key->keys, "name") : NULL;

	return name != NULL && name->type == KEY_STRING ? name : NULL;
}

static const void *
find_group(const struct key *key, const void *base, const char *wanted)
{
	const struct key *name = name_of_groups(key);
	const void *at;

	for (uint32_t i = 0; i < *key_count(key, base); i++) {
		at = keys_at(key, base, i);
		if (strcmp(*(char *const *)key_field(name, at), wanted) == 0)
			return at;
	}
	return NULL;
}

/* Tell the groups of one that the other does not have. */
static void
tell_groups(const struct key *key, const void *in, const void *other,
    const char *path, const char *how, key_change *on_change, void *arg)
{
	const struct key *name = name_of_groups(key);
	char text[KEY_CHANGE_MAX];
	const char *one;

	for (uint32_t i = 0; i < *key_count(key, in); i++) {
		one = *(char *const *)key_field(name, keys_at(key, in, i));
		if (find_group(key, other, one) != NULL)
			continue;
		snprintf(text, sizeof(text), "%s.%s %s", path, one, how);
		on_change(arg, text);
	}
}

static void
compare_named(const struct key *key, const void *a, const void *b,
    const char *path, key_change *on_change, void *arg)
{
	const struct key *name = name_of_groups(key);
	char inner[KEY_PATH_MAX];
	const void *then, *now;
	const char *one;

	tell_groups(key, b, a, path, "is new", on_change, arg);
	tell_groups(key, a, b, path, "is gone", on_change, arg);
	for (uint32_t i = 0; i < *key_count(key, b); i++) {
		now = keys_at(key, b, i);
		one = *(char *const *)key_field(name, now);
		then = find_group(key, a, one);
		snprintf(inner, sizeof(inner), "%.120s.%.64s", path, one);
		if (then != NULL)
			compare(key->keys, then, now, inner, on_change, arg);
	}
}

static void
compare(const struct key *keys, const void *a, const void *b,
    const char *prefix, key_change *on_change, void *arg)
{
	char path[KEY_PATH_MAX];

	for (; keys->name != NULL; keys++) {
		/* Options are told with their plugin, these two by name. */
		if (keys->type == KEY_OPTIONS || keys->type == KEY_REFUSED ||
		    keys->keys == listener_keys || keys->keys == connector_keys)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", prefix,
		    *prefix != '\0' ? "." : "", keys->name);
		if (name_of_groups(keys) != NULL)
			compare_named(keys, a, b, path, on_change, arg);
		else if (keys->type != KEY_GROUP)
			compare_value(keys, a, b, path, on_change, arg);
		else if (!appeared(keys, a, b, path, on_change, arg))
			compare(keys->keys, key_field(keys, a),
			    key_field(keys, b), path, on_change, arg);
	}
}

void
keys_changes(const struct key *keys, const void *a, const void *b,
    key_change *on_change, void *arg)
{
	compare(keys, a, b, "", on_change, arg);
}

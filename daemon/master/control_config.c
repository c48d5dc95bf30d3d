/*
 * control_config.c: the configuration in force, key by key, as an object for
 * each group: the value, as it would be written in a file, and the line on which
 * it stands.  Without a line it is a default.
 */

#include "master/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/log.h"
#include "config/keys.h"
#include "config/settings.h"
#include "config/value.h"
#include "master/control_conn.h"
#include "master/gen.h"
#include "master/reload.h"

struct show {
	const struct settings *settings;
	const char *listener; /* only this one; or NULL */
	bool set;	      /* only keys that are set */
	bool options;	      /* the client may see those of plugins */
	/* Values are written there one after the other; in memory. */
	FILE *out;
	char *text;
	size_t size;
};

static json_t *show_group(const struct show *show, const struct key *keys,
    const void *base);

static json_t *
strings_value(const struct key *key, const void *base)
{
	const struct key_string *string;
	json_t *array = json_array();

	for (uint32_t i = 0; i < *key_count(key, base); i++) {
		string = keys_at(key, base, i);
		json_array_append_new(array, json_text(string->text));
	}
	return array;
}

/* As programs want it: the same as `text`, without the syntax. */
static json_t *
value_of(const struct key *key, const void *base)
{
	const void *at = key_field(key, base);
	const struct bool_duration *both = at;
	char text[VALUE_TEXT_MAX];

	switch (key->type) {
	case KEY_BOOL:
		return json_boolean(*(const bool *)at);
	case KEY_INT:
		return json_integer(*(const int64_t *)at);
	case KEY_FRACTION:
		return json_real(*(const double *)at);
	case KEY_DURATION:
		return json_string(
		    value_duration_text(*(const uint64_t *)at, text));
	case KEY_SIZE:
		return json_string(
		    value_size_text(*(const uint64_t *)at, text));
	case KEY_BOOL_DURATION:
		if (both->on && both->ms != 0)
			return json_string(value_duration_text(both->ms, text));
		return json_boolean(both->on);
	case KEY_WORD:
		return json_text(key_word_text(key, *(const int64_t *)at));
	case KEY_STRING:
		return json_text(*(char *const *)at);
	case KEY_STRINGS:
		return strings_value(key, base);
	default:
		return json_null();
	}
}

/*
 * {"value": ..., "text": ...}, with the text that was written last.  A value that
 * is not set is null.
 */
static json_t *
pair(const struct show *show, json_t *value)
{
	json_t *entry = json_object();

	putc('\0', show->out); /* the last one may have been longer */
	fflush(show->out);
	json_object_set_new(entry, "value", value);
	if (*show->text != '\0')
		json_object_set_new(entry, "text", json_text(show->text));
	return entry;
}

static json_t *
show_value(const struct show *show, const struct key *key, const void *base)
{
	bool is_set;

	rewind(show->out);
	is_set = key_write(show->out, key, base);
	return pair(show, is_set ? value_of(key, base) : json_null());
}

static json_t *
option_value(const struct raw_option *option)
{
	json_t *array;

	switch (option->type) {
	case RAW_INT:
		return json_integer(option->integer);
	case RAW_BOOL:
		return json_boolean(option->integer);
	case RAW_FLOAT:
		return json_real(option->real);
	case RAW_STRING:
		return json_text(option->strings[0]);
	case RAW_STRINGS:
		break;
	}
	array = json_array();
	for (uint32_t i = 0; i < option->count; i++)
		json_array_append_new(array, json_text(option->strings[i]));
	return array;
}

static json_t *
show_option(const struct show *show, const struct raw_option *option)
{
	json_t *entry;

	rewind(show->out);
	raw_option_write(show->out, option);
	entry = pair(show, option_value(option));
	json_object_set_new(entry, "line", json_integer(option->origin.line));
	return entry;
}

/* The group for the next part of a path, "a" of "a.b"; it is made if need be. */
static json_t *
inner_group(json_t *group, const char *path, size_t length)
{
	char *name = strndup(path, length);
	json_t *entry = json_object_get(group, name);

	if (entry == NULL) {
		entry = json_pack("{s:{}}", "group");
		json_object_set_new(group, name, entry);
	}
	free(name);
	return json_object_get(entry, "group");
}

/* Their groups were flattened: "limits.burst". */
static json_t *
show_options(const struct show *show, const struct key *key, const void *base)
{
	const struct raw_option *option;
	json_t *all = json_object(), *group;
	const char *name, *dot;

	for (uint32_t i = 0; i < *key_count(key, base); i++) {
		option = keys_at(key, base, i);
		group = all;
		for (name = option->path; (dot = strchr(name, '.')) != NULL;
		     name = dot + 1)
			group = inner_group(group, name, (size_t)(dot - name));
		json_object_set_new(group, name, show_option(show, option));
	}
	return json_pack("{s:o}", "group", all);
}

static void
set_note(json_t *entry, const char *name, const char *text)
{
	json_object_set_new(entry, name, json_string(text));
}

static bool
is_endpoints(const struct key *key)
{
	return key->keys == listener_keys || key->keys == connector_keys;
}

static bool
is_asked_for(const struct show *show, const struct listener_settings *endpoint)
{
	return show->listener == NULL ||
	    strcmp(endpoint->name, show->listener) == 0;
}

static json_t *
show_groups(const struct show *show, const struct key *key, const void *base)
{
	const struct origin *origin;
	json_t *array = json_array();
	const void *at;

	for (uint32_t i = 0; i < *key_count(key, base); i++) {
		at = keys_at(key, base, i);
		if (is_endpoints(key) && !is_asked_for(show, at))
			continue;
		origin = key_origin(key, at);
		json_array_append_new(array,
		    json_pack("{s:o, s:I, s:o}", "file",
			json_text(origin->file), "line",
			(json_int_t)origin->line, "keys",
			show_group(show, key->keys, at)));
	}
	return json_pack("{s:o}", "groups", array);
}

static json_t *
show_key(const struct show *show, const struct key *key, const void *base)
{
	json_t *entry;

	switch (key->type) {
	case KEY_GROUP:
		if (key->present != 0 && !*key_present(key, base))
			return json_pack("{s:n}", "value");
		return json_pack("{s:o}", "group",
		    show_group(show, key->keys, key_field(key, base)));
	case KEY_GROUPS:
		if (*key_count(key, base) == 0)
			return json_pack("{s:n}", "value");
		return show_groups(show, key, base);
	case KEY_OPTIONS:
		if (*key_count(key, base) == 0)
			return json_pack("{s:n}", "value");
		if (show->options)
			return show_options(show, key, base);
		entry = json_pack("{s:n}", "value");
		set_note(entry, "note",
		    "shown only to root and the user that started sluiced");
		return entry;
	default:
		return show_value(show, key, base);
	}
}

/* What the value alone does not say. */
static void
add_notes(const struct show *show, const struct key *key, const void *base,
    json_t *entry)
{
	const struct key_string *string;
	enum log_level level = LOG_LEVEL_DEBUG;

	if (base == show->settings && strcmp(key->name, "include") == 0 &&
	    *key_count(key, base) > 0)
		set_note(entry, "note", "what these files have is shown here");
	if (base == show->settings && strcmp(key->name, "workers") == 0 &&
	    show->settings->workers_of_cpus) {
		json_object_set(entry, "now", json_object_get(entry, "text"));
		json_object_set_new(entry, "value", json_integer(0));
		json_object_set_new(entry, "text", json_string("0"));
	}
	if (base == &show->settings->log && strcmp(key->name, "level") == 0) {
		while (level > LOG_LEVEL_ERROR && !log_enabled(level))
			level--;
		if ((int64_t)level != show->settings->log.level)
			json_object_set_new(entry, "now",
			    json_text(key_word_text(key, (int64_t)level)));
	}
	if (key->type != KEY_STRINGS)
		return;
	for (uint32_t i = 0; i < *key_count(key, base); i++) {
		string = keys_at(key, base, i);
		if (strcmp(string->text, TLS_INLINE) == 0)
			set_note(entry, "note",
			    "a PEM text, which is not shown");
	}
}

/* Of the whole configuration, if one listener is asked for, only this one. */
static bool
is_wanted(const struct show *show, const struct key *keys,
    const struct key *key, const void *base)
{
	if (key->type == KEY_REFUSED)
		return false;
	if (show->listener != NULL && base == show->settings &&
	    !is_endpoints(key))
		return false;
	/* Those of included files are set, too. */
	return !show->set || key_line(keys, key, base) != 0 ||
	    (key->flags & KEY_INCLUDED && *key_count(key, base) > 0);
}

static json_t *
show_group(const struct show *show, const struct key *keys, const void *base)
{
	json_t *group = json_object(), *entry;
	uint32_t line;

	for (const struct key *key = keys; key->name != NULL; key++) {
		if (!is_wanted(show, keys, key, base))
			continue;
		entry = show_key(show, key, base);
		line = key_line(keys, key, base);
		if (line != 0)
			json_object_set_new(entry, "line", json_integer(line));
		add_notes(show, key, base, entry);
		json_object_set_new(group, key->name, entry);
	}
	return group;
}

void
control_config(struct control_conn *conn, const struct control_args *args)
{
	const struct gen *gen = reload_committed(conn->subject->reload);
	struct show show = {
		.listener =
		    json_string_value(args->of[CONTROL_CONFIG_LISTENER]),
		.set = args->of[CONTROL_CONFIG_SET] != NULL,
		.options = conn->uid == 0 || conn->uid == geteuid(),
	};

	if (gen == NULL) {
		control_fail(conn, "no configuration is in force yet");
		return;
	}
	show.settings = gen->settings;
	if (show.listener != NULL &&
	    settings_find(gen->settings, show.listener) == NULL) {
		control_fail(conn,
		    "there is no listener or connector \"%.64s\"",
		    show.listener);
		return;
	}
	show.out = open_memstream(&show.text, &show.size);
	if (show.out == NULL) {
		control_fail(conn, "out of memory");
		return;
	}
	control_reply(conn,
	    json_pack("{s:s, s:I, s:I, s:o, s:o}", "version", PACKAGE_VERSION,
		"generation", (json_int_t)gen->number, "as",
		(json_int_t)(gen->as != 0 ? gen->as : gen->number), "file",
		json_text(gen->settings->files[0]), "settings",
		show_group(&show, settings_keys, gen->settings)));
	fclose(show.out);
	free(show.text);
}

/*
 * check_keys.c: compares man/sluice.conf.5 and conf/sluice.conf.full with the
 * tables in daemon/config/keys.c and tls_keys.c.  The rules, for whoever
 * writes them:
 *
 * conf/sluice.conf.full: each key of the table has a line
 *	KEY = VALUE;
 * with or without `//` or `#` before it, and with any indentation.  VALUE is
 * the table's default exactly as written there (with its quotes).  Anything may
 * follow after the semicolon.  Some keys may have any VALUE, over several
 * lines: those without a default, those whose default is chosen at build time
 * (plugin_dir), and `options`, `listen`, `include`, `listeners` and `connectors`.  The keys
 * of a group stand between a line `GROUP : {` (or `GROUP = {`) and the next
 * line that begins with `}`.
 *
 * man/sluice.conf.5: each key has a line
 *	.It Ic KEY
 * (more may follow on that line).  A key in a group is written with its group:
 * `.It Ic timeouts.idle`, `.It Ic log.level`.  A group itself needs no line.  The
 * `tls` of a connector is described as the `connect_tls` of a listener.
 * Before the next `.It` or `.Sh` line, a key with a default has the two lines
 *	Default:
 *	.Li VALUE
 * where VALUE is the default without quotes, and may be followed by ` .` or
 * ` ;` or ` ,`.  Text may stand before `Default:` on its line.  plugin_dir
 * may have any VALUE.  A key with KEY_RESTART has the word "restart" in its
 * entry.
 */

#include "fixture.h"

#include <ctype.h>
#include <limits.h>

#include "base/why.h"
#include "config/keys.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "reader/conf.h"
#include "reader/problems.h"

static char *full, *manual;

/* Read a file of the source tree, which is $SLUICE_SRCDIR or `.`. */
static char *
source_file(const char *name)
{
	const char *dir = getenv("SLUICE_SRCDIR");
	char path[PATH_MAX], *text = calloc(1, 1 << 20);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : ".", name);
	file = fopen(path, "r");
	ck_assert_msg(file != NULL && text != NULL, "cannot read %s", path);
	ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
	fclose(file);
	return text;
}

/* The next line of *text without its end; false at the end of the file. */
static bool
next_line(const char **text, char *line, size_t room)
{
	size_t len = strcspn(*text, "\n");

	if (**text == '\0')
		return false;
	snprintf(line, room, "%.*s", (int)len, *text);
	*text += len + ((*text)[len] == '\n');
	return true;
}

/* Skip indentation and comment signs. */
static const char *
uncommented(const char *line)
{
	return line + strspn(line, " \t/#");
}

static void
compare_full(const struct key *key, const char *value, const char *path)
{
	size_t len;

	if (key->value == NULL || key->flags & KEY_BUILD)
		return;
	len = strlen(key->value);
	ck_assert_msg(strncmp(value, key->value, len) == 0 && value[len] == ';',
	    "sluice.conf.full: %s: the default is %s, "
	    "not %s",
	    path, key->value, value);
}

/* Find a line `KEY = VALUE;` in the group; group may be NULL. */
static void
find_in_full(const struct key *key, const char *group, const char *path)
{
	char line[512], inside[64] = "";
	const char *text = full, *p;
	size_t len = strlen(key->name);

	while (next_line(&text, line, sizeof(line))) {
		p = uncommented(line);
		if (*p == '}') {
			inside[0] = '\0';
			continue;
		}
		if (strcmp(inside, group) == 0 &&
		    strncmp(p, key->name, len) == 0) {
			p += len;
			p += strspn(p, " \t");
			if (*p == '=' || *p == ':') {
				p++;
				p += strspn(p, " \t");
				compare_full(key, p, path);
				return;
			}
		}
		p = uncommented(line);
		if (strchr(p, '{') != NULL && strchr(p, '}') == NULL)
			sscanf(p, "%63[a-z_]", inside);
	}
	ck_abort_msg("sluice.conf.full: no line for %s", path);
}

static void
compare_default(const struct key *key, const char *value, const char *path)
{
	char bare[256], end;
	size_t len = 0;
	const char *p;

	for (p = key->value; *p != '\0'; p++)
		if (*p != '"')
			bare[len++] = *p;
	bare[len] = '\0';
	end = strncmp(value, bare, len) == 0 ? value[len] : 'x';
	ck_assert_msg(end == '\0' || end == ' ',
	    "sluice.conf.5: %s: the "
	    "default is %s, not %s",
	    path, bare, value);
}

static void
find_in_manual(const struct key *key, const char *path)
{
	char line[512], head[128];
	const char *text = manual;
	bool default_next = false, in = false, found = false,
	     has_default = false, restart = false;
	size_t len;

	len = (size_t)snprintf(head, sizeof(head), ".It Ic %s", path);
	while (next_line(&text, line, sizeof(line))) {
		if (strncmp(line, ".It", 3) == 0 ||
		    strncmp(line, ".Sh", 3) == 0)
			in = strncmp(line, head, len) == 0 &&
			    (line[len] == '\0' || line[len] == ' ');
		if (!in)
			continue;
		found = true;
		if (strstr(line, "restart") != NULL)
			restart = true;
		if (default_next && strncmp(line, ".Li ", 4) == 0) {
			has_default = true;
			if (key->value != NULL && !(key->flags & KEY_BUILD))
				compare_default(key, line + 4, path);
		}
		len = strlen(line);
		default_next =
		    len >= 8 && strcmp(line + len - 8, "Default:") == 0;
		len = strlen(head);
	}
	ck_assert_msg(found, "sluice.conf.5: no entry for %s", path);
	ck_assert_msg(has_default || key->value == NULL ||
		key->flags & KEY_BUILD,
	    "sluice.conf.5: %s: no default", path);
	ck_assert_msg(restart || !(key->flags & KEY_RESTART),
	    "sluice.conf.5: %s: the word \"restart\" is missing", path);
}

static void
each_key(const struct key *keys, const char *group,
    void (*visit)(const struct key *key, const char *group, const char *path))
{
	char path[128];

	for (; keys->name != NULL; keys++) {
		snprintf(path, sizeof(path), "%s%s%s", group,
		    *group != '\0' ? "." : "", keys->name);
		/* A connector's `tls` is described with the other group. */
		if (keys->keys == connect_tls_keys)
			each_key(keys->keys, "connect_tls", visit);
		else if (keys->type == KEY_GROUP)
			each_key(keys->keys, keys->name, visit);
		else
			visit(keys, group, path);
	}
}

static void
visit_full(const struct key *key, const char *group, const char *path)
{
	if (key->type != KEY_REFUSED)
		find_in_full(key, group, path);
}

static void
visit_manual(const struct key *key, const char *group, const char *path)
{
	(void)group;
	if (key->type != KEY_REFUSED)
		find_in_manual(key, path);
}

/* Each row is complete, and accepts its own default. */
static void
visit_row(const struct key *key, const char *group, const char *path)
{
	(void)group;
	ck_assert_msg(key->help != NULL && strlen(key->help) > 10, "%s", path);
	ck_assert_msg(key->value != NULL || key->example != NULL ||
		key->type == KEY_REFUSED,
	    "%s", path);
	ck_assert_msg(key->type != KEY_WORD || key->words != NULL, "%s", path);
	ck_assert_msg(key->type != KEY_INT || key->max > key->min, "%s", path);
	ck_assert_msg(!(key->flags & KEY_RESTART) ||
		(key->origin != 0 && key->type < KEY_BOOL_DURATION),
	    "%s", path);
	ck_assert_msg(key->type != KEY_GROUPS || key->max > 0, "%s", path);
	ck_assert_msg((key->type >= KEY_GROUPS && key->type < KEY_REFUSED) ==
		(key->count != 0),
	    "%s", path);
}

/* The offsets of each row lie within the struct of its table, behind its lines. */
static void
rows_lie_within(const struct key *keys, size_t size)
{
	for (; keys->name != NULL; keys++) {
		ck_assert_msg(keys->offset < size && keys->count < size &&
			keys->origin <
			    (keys->type == KEY_GROUPS ? keys->size : size) &&
			keys->resolved + keys->resolved_size <= size,
		    "%s", keys->name);
		ck_assert_msg(keys->type == KEY_REFUSED ||
			keys->offset >= sizeof(struct key_lines),
		    "%s", keys->name);
		if (keys->keys != NULL)
			rows_lie_within(keys->keys, keys->size);
	}
}

START_TEST(the_table_is_complete)
{
	rows_lie_within(settings_keys, sizeof(struct settings));
	each_key(settings_keys, "", visit_row);
	each_key(listener_keys, "", visit_row);
	each_key(connector_keys, "", visit_row);
	each_key(key_find(tls_keys, "sni")->keys, "sni", visit_row);
}
END_TEST

/* What is written for a default is what the table has. */
static void
write_default(const struct key *key, const char *group, const char *path)
{
	static union {
		struct settings settings;
		struct listener_settings listener;
	} room;
	char *text = NULL;
	size_t size;
	FILE *out;

	(void)group;
	if (key->value == NULL || key->flags & KEY_BUILD)
		return;
	memset(&room, 0, sizeof(room));
	out = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(key_set_default(key, &room), 0);
	ck_assert(key_write(out, key, &room));
	fclose(out);
	ck_assert_msg(strcmp(text, key->value) == 0, "%s: %s, not %s", path,
	    text, key->value);
	free(text);
	if (key->type == KEY_STRING)
		free(*(char **)key_field(key, &room));
}

START_TEST(each_default_is_written_as_the_table_has_it)
{
	each_key(settings_keys, "", write_default);
	each_key(listener_keys, "", write_default);
	each_key(connector_keys, "", write_default);
}
END_TEST

/* Has the manual an item of a list that begins with `.It Ql', with the word? */
static bool
has_item(const char *page, const char *word)
{
	size_t length = strlen(word);
	const char *line, *end, *at;

	for (line = page; (line = strstr(line, "\n.It Ql ")) != NULL; line++) {
		end = strchr(line + 1, '\n');
		at = line + strlen("\n.It Ql");
		while ((at = strstr(at, word)) != NULL && at < end) {
			if (at[-1] == ' ' &&
			    (at[length] == ' ' || at[length] == '\n'))
				return true;
			at++;
		}
	}
	return false;
}

START_TEST(the_sample_shows_every_key_with_its_default)
{
	full = source_file("conf/sluice.conf.full");
	each_key(settings_keys, "", visit_full);
	each_key(listener_keys, "", visit_full);
	each_key(connector_keys, "", visit_full);
	free(full);
}
END_TEST

START_TEST(the_manual_describes_every_key_with_its_default)
{
	manual = source_file("man/sluice.conf.5");
	each_key(settings_keys, "", visit_manual);
	each_key(listener_keys, "", visit_manual);
	each_key(connector_keys, "", visit_manual);
	free(manual);
}
END_TEST

/* Whoever looks for a word of the log or of sluicectl there finds advice. */
START_TEST(the_page_for_trouble_has_every_reason_and_limit)
{
	char *page = source_file("man/sluice-trouble.7");
	const struct count_row *row;

	for (unsigned int i = SL_WHY_NONE + 1; i < WHY_ROWS; i++)
		ck_assert_msg(has_item(page, why_word(i)), "%s", why_word(i));
	for (size_t i = 0; i < count_table_size; i++) {
		row = &count_table[i];
		if (row->first != COUNT_REFUSED)
			continue;
		for (unsigned int k = 0; k < row->many; k++)
			ck_assert_msg(has_item(page, row->label_value(k)), "%s",
			    row->label_value(k));
	}
	free(page);
}
END_TEST

START_TEST(the_samples_are_valid)
{
	static const char *const names[] = { "sluice.conf",
		"sluice.conf.full" };
	struct problems problems = { 0 };
	struct settings *settings;
	char path[64], *text;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "conf/%s", names[i]);
		text = source_file(path);
		settings = conf_read(fixture_text(names[i], text), &problems);
		ck_assert_msg(problems.count == 0, "%s:%u: %s", path,
		    problems.list[0].line, problems.list[0].text);
		settings_free(settings);
		problems_done(&problems);
		free(text);
	}
}
END_TEST

START_TEST(a_typo_suggests_a_key_and_another_word_does_not)
{
	ck_assert_str_eq(key_nearest(settings_keys, "worker").word, "workers");
	ck_assert_str_eq(key_nearest(settings_keys, "plugindir").word,
	    "plugin_dir");
	ck_assert_str_eq(key_nearest(listener_keys, "Name").word, "name");
	ck_assert_ptr_null(key_nearest(settings_keys, "x").word);
	ck_assert_ptr_null(key_nearest(settings_keys, "frobnicate").word);
	ck_assert_ptr_null(key_nearest(settings_keys, "").word);
	ck_assert_ptr_null(key_nearest(settings_keys,
	    "a-name-that-is-far-longer"
	    "-than-any-key-of-ours-could-ever-be")
			       .word);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_table_is_complete,
		each_default_is_written_as_the_table_has_it,
		the_sample_shows_every_key_with_its_default,
		the_manual_describes_every_key_with_its_default,
		the_page_for_trouble_has_every_reason_and_limit,
		the_samples_are_valid,
		a_typo_suggests_a_key_and_another_word_does_not,
		NULL,
	};

	return fixture_run("keys", tests);
}

/* check_options.c: the options of a listener and the table of its plugin. */

#include <check.h>
#include <sluice.h>
#include <string.h>

#include "config/settings.h"
#include "log_fixture.h"
#include "worker/options.h"

static const struct sl_option table[] = {
	{ "text", SL_OPTION_STRING, "hello", "a text" },
	{ "count", SL_OPTION_INT, "7", "a number" },
	{ "ratio", SL_OPTION_FLOAT, "0.5", NULL },
	{ "on", SL_OPTION_BOOL, "true", NULL },
	{ "wait", SL_OPTION_DURATION, "250ms", NULL },
	{ "room", SL_OPTION_SIZE, "64KiB", NULL },
	{ "to", SL_OPTION_ADDRESS, "127.0.0.1:80", NULL },
	{ "names", SL_OPTION_STRINGS, NULL, NULL },
	{ "group.inner", SL_OPTION_INT, NULL, NULL },
	{ NULL, 0, NULL, NULL },
};

static struct settings *settings;
static struct listener_settings *listener;
static char problems[1024];

static void
begin(void)
{
	settings = settings_new();
	ck_assert_ptr_nonnull(settings);
	listener = keys_add(key_find(settings_keys, "listeners"), settings);
	ck_assert_ptr_nonnull(listener);
	listener->plugin = strdup("test");
	listener->origin.file = "a.conf";
	listener->origin.line = 3;
	problems[0] = '\0';
}

static struct raw_option *
add(const char *path, enum raw_type type, uint32_t line)
{
	struct raw_option *raw =
	    keys_add(key_find(listener_keys, "options"), listener);

	ck_assert_ptr_nonnull(raw);
	raw->path = strdup(path);
	raw->type = type;
	raw->origin.file = "a.conf";
	raw->origin.line = line;
	return raw;
}

static struct raw_option *
add_string(const char *path, const char *value, uint32_t line)
{
	struct raw_option *raw = add(path, RAW_STRING, line);

	raw->strings = calloc(1, sizeof(*raw->strings));
	raw->strings[0] = strdup(value);
	raw->count = 1;
	return raw;
}

static void
on_problem(void *arg, const struct origin *origin, const char *problem)
{
	size_t n = strlen(problems);

	ck_assert_ptr_eq(arg, problems);
	snprintf(problems + n, sizeof(problems) - n, "%s:%u: %s\n",
	    origin->file, origin->line, problem);
}

static struct sl_options *
build(void)
{
	return options_build(table, listener, on_problem, problems);
}

START_TEST(an_option_not_in_the_config_has_its_default)
{
	struct sl_options *o;

	begin();
	o = build();
	ck_assert_msg(o != NULL, "%s", problems);
	ck_assert_str_eq(sl_option_string(o, "text"), "hello");
	ck_assert_int_eq(sl_option_int(o, "count"), 7);
	ck_assert(sl_option_float(o, "ratio") == 0.5);
	ck_assert_int_eq(sl_option_bool(o, "on"), 1);
	ck_assert_uint_eq(sl_option_ms(o, "wait"), 250);
	ck_assert_uint_eq(sl_option_size(o, "room"), 65536);
	ck_assert_str_eq(sl_option_string(o, "to"), "127.0.0.1:80");
	ck_assert_uint_eq(sl_option_count(o, "names"), 0);
	ck_assert_ptr_null(sl_option_at(o, "names", 0));
	ck_assert_uint_eq(sl_option_count(o, "text"), 1);
	ck_assert_uint_eq(sl_option_count(o, "group.inner"), 0);
	options_free(o);
	settings_free(settings);
}
END_TEST

START_TEST(the_config_overrides_the_defaults)
{
	struct sl_options *o;
	struct raw_option *raw;

	begin();
	add_string("text", "bye", 4);
	add("count", RAW_INT, 5)->integer = -3;
	add("ratio", RAW_INT, 6)->integer = 2;
	add("on", RAW_BOOL, 7)->integer = 0;
	add("wait", RAW_INT, 8)->integer = 2; /* seconds */
	add("room", RAW_INT, 9)->integer = 100;
	add("group.inner", RAW_INT, 10)->integer = 1;
	raw = add("names", RAW_STRINGS, 11);
	raw->strings = calloc(2, sizeof(*raw->strings));
	raw->strings[0] = strdup("a");
	raw->strings[1] = strdup("b");
	raw->count = 2;
	o = build();
	ck_assert_msg(o != NULL, "%s", problems);
	ck_assert_str_eq(sl_option_string(o, "text"), "bye");
	ck_assert_int_eq(sl_option_int(o, "count"), -3);
	ck_assert(sl_option_float(o, "ratio") == 2);
	ck_assert_int_eq(sl_option_bool(o, "on"), 0);
	ck_assert_uint_eq(sl_option_ms(o, "wait"), 2000);
	ck_assert_uint_eq(sl_option_size(o, "room"), 100);
	ck_assert_int_eq(sl_option_int(o, "group.inner"), 1);
	ck_assert_uint_eq(sl_option_count(o, "names"), 2);
	ck_assert_str_eq(sl_option_at(o, "names", 1), "b");
	ck_assert_ptr_null(sl_option_at(o, "names", 2));
	options_free(o);
	settings_free(settings);
}
END_TEST

START_TEST(every_mistake_is_reported_with_its_line)
{
	begin();
	add_string("txet", "typo", 4);
	add_string("count", "seven", 5);
	add("on", RAW_INT, 6)->integer = 1;
	add_string("wait", "5 parsecs", 7);
	add("room", RAW_INT, 8)->integer = -1;
	add_string("to", "nowhere", 9);
	ck_assert_ptr_null(build());
	for (int line = 4; line <= 9; line++) {
		char place[32];

		snprintf(place, sizeof(place), "a.conf:%d: ", line);
		ck_assert_msg(strstr(problems, place) != NULL,
		    "nothing about line %d in:\n%s", line, problems);
	}
	ck_assert_ptr_nonnull(strstr(problems, "has no option \"txet\""));
	ck_assert_ptr_nonnull(strstr(problems, "expected an integer"));
	settings_free(settings);
}
END_TEST

START_TEST(a_long_list_of_options_is_cut_off_with_dots)
{
	char names[64][16];
	struct sl_option many[65] = { 0 };

	for (int i = 0; i < 64; i++) {
		snprintf(names[i], sizeof(names[i]), "an_option_%d", i);
		many[i] =
		    (struct sl_option){ names[i], SL_OPTION_INT, "0", NULL };
	}
	begin();
	add_string("typo", "x", 4);
	ck_assert_ptr_null(options_build(many, listener, on_problem, problems));
	ck_assert_ptr_nonnull(strstr(problems, "an_option_20, "));
	ck_assert_ptr_nonnull(strstr(problems, "...\n"));
	settings_free(settings);
}
END_TEST

START_TEST(a_wrong_name_or_type_reads_as_absent)
{
	struct sl_options *o;

	begin();
	o = build();
	ck_assert_ptr_null(sl_option_string(o, "nothing"));
	ck_assert_ptr_null(sl_option_string(o, "count"));
	ck_assert_int_eq(sl_option_int(o, "text"), 0);
	ck_assert_int_eq(sl_option_int(NULL, "count"), 0);
	ck_assert_uint_eq(sl_option_ms(o, NULL), 0);
	options_free(o);
	settings_free(settings);
}
END_TEST

/* The log since the last call has one line, with this in it. */
static void
one_line(const char *part)
{
	const char *line = logged_line();

	ck_assert_msg(strstr(line, part) != NULL, "no \"%s\" in: %s", part,
	    line);
	ck_assert_ptr_eq(strchr(line, '\n') + 1, line + strlen(line));
}

START_TEST(a_wrong_name_or_type_is_logged_once)
{
	struct sl_options *o;

	begin();
	listener->name = strdup("web");
	o = build();
	capture(SOCK_STREAM);
	ck_assert_int_eq(sl_option_int(o, "cuont"), 0);
	one_line("listener \"web\": plugin \"test\": it calls "
		 "sl_option_int(\"cuont\"), but its table has no such option, "
		 "so this reads as not set; did its author mean \"count\"?");
	ck_assert_ptr_null(sl_option_string(o, "nothing"));
	one_line("sl_option_string(\"nothing\")");
	ck_assert_uint_eq(sl_option_count(o, "name"), 0);
	one_line("did its author mean \"names\"?");
	ck_assert_ptr_null(sl_option_string(o, "count"));
	one_line("sl_option_string(\"count\"), but its table says that this "
		 "option is of type integer, so this reads as not set; its "
		 "author has to use sl_option_int()");
	ck_assert_uint_eq(sl_option_size(o, "wait"), 0);
	one_line("its author has to use sl_option_ms()");
	/* Not again, and not for what is right. */
	for (int i = 0; i < 3; i++) {
		sl_option_int(o, "cuont");
		sl_option_string(o, "nothing");
		sl_option_count(o, "name");
		sl_option_string(o, "count");
		sl_option_size(o, "wait");
		sl_option_at(o, "to", 0);
		sl_option_at(o, "names", 7);
		sl_option_count(o, "count");
		sl_option_int(NULL, "count");
		sl_option_ms(o, NULL);
	}
	ck_assert_str_eq(logged(), "");
	options_free(o);
	settings_free(settings);
}
END_TEST

START_TEST(names_that_are_made_at_run_time_do_not_fill_the_log)
{
	struct sl_options *o;
	const char *line;
	char name[32];
	int lines = 0;

	begin();
	o = build();
	capture(SOCK_STREAM);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "made.%d", i);
		ck_assert_ptr_null(sl_option_string(o, name));
	}
	for (line = logged(); (line = strchr(line, '\n')) != NULL; line++)
		lines++;
	ck_assert_int_eq(lines, OPTION_MISTAKES_MAX);
	options_free(o);
	settings_free(settings);
}
END_TEST

START_TEST(a_bad_default_is_the_plugins_mistake_and_refused)
{
	static const struct sl_option bad[] = {
		{ "count", SL_OPTION_INT, "many", NULL },
		{ NULL, 0, NULL, NULL },
	};

	begin();
	ck_assert_ptr_null(options_build(bad, listener, on_problem, problems));
	ck_assert_ptr_nonnull(strstr(problems,
	    "a.conf:3: default of option \"count\": expected an integer"));
	settings_free(settings);
}
END_TEST

START_TEST(a_plugin_without_a_table_takes_no_options)
{
	begin();
	add_string("any", "thing", 4);
	ck_assert_ptr_null(options_build(NULL, listener, on_problem, problems));
	ck_assert_ptr_nonnull(strstr(problems, "a.conf:4: "));
	settings_free(settings);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_option_not_in_the_config_has_its_default,
		the_config_overrides_the_defaults,
		every_mistake_is_reported_with_its_line,
		a_long_list_of_options_is_cut_off_with_dots,
		a_wrong_name_or_type_reads_as_absent,
		a_wrong_name_or_type_is_logged_once,
		names_that_are_made_at_run_time_do_not_fill_the_log,
		a_bad_default_is_the_plugins_mistake_and_refused,
		a_plugin_without_a_table_takes_no_options,
		NULL,
	};

	return fixture_run("options", tests);
}

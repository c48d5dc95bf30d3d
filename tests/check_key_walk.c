/*
 * check_key_walk.c: a made-up table of keys, with things that the real one does
 * not have yet: groups and lists of groups inside one another.  Reading,
 * packing, defaults and freeing all work from the rows of the table alone.
 */

#include "fixture.h"

#include <stdint.h>

#include "base/log.h"
#include "base/pack.h"
#include "config/bundle_format.h"
#include "config/keys.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "reader/tree.h"

struct route {
	struct key_lines lines;
	char *to;
	uint64_t weight;
	struct origin origin;
};

struct site {
	struct key_lines lines;
	char *host;
	uint32_t number; /* stands for what the host resolves to */
	struct key_string *names;
	uint32_t name_count;
	struct timeout_settings timeouts; /* the group of the real table */
	struct route *routes;
	uint32_t route_count;
	struct raw_option *options;
	uint32_t option_count;
	struct origin origin;
};

struct tls {
	struct key_lines lines;
	bool on;
	struct bool_duration tickets;
	int64_t version;
	struct site *sites;
	uint32_t site_count;
	struct origin version_origin;
};

struct made_up {
	struct key_lines lines;
	char *title;
	struct tls tls;
};

#define AT(of, field) offsetof(struct of, field)

static const struct key timeout_rows[] = {
	{ .name = "idle",
	    .type = KEY_DURATION,
	    .value = "\"5s\"",
	    .max = 60000,
	    .offset = AT(timeout_settings, idle_ms) },
	{ .name = NULL },
};

static const struct key route_rows[] = {
	{ .name = "to",
	    .type = KEY_STRING,
	    .flags = KEY_REQUIRED,
	    .example = "\"a\"",
	    .offset = AT(route, to) },
	{ .name = "weight",
	    .type = KEY_SIZE,
	    .value = "\"1KiB\"",
	    .max = 1 << 20,
	    .offset = AT(route, weight) },
	{ .name = NULL },
};

static const struct key site_rows[] = {
	{ .name = "host",
	    .type = KEY_STRING,
	    .example = "\"a.example\"",
	    .offset = AT(site, host),
	    .resolved = AT(site, number),
	    .resolved_size = sizeof(uint32_t) },
	{ .name = "names",
	    .type = KEY_STRINGS,
	    .example = "\"a\"",
	    .offset = AT(site, names),
	    .count = AT(site, name_count) },
	{ .name = "timeouts",
	    .type = KEY_GROUP,
	    .keys = timeout_rows,
	    .size = sizeof(struct timeout_settings),
	    .example = "{ }",
	    .offset = AT(site, timeouts) },
	{ .name = "routes",
	    .type = KEY_GROUPS,
	    .keys = route_rows,
	    .size = sizeof(struct route),
	    .example = "( { to = \"a\"; } )",
	    .max = 2,
	    .offset = AT(site, routes),
	    .count = AT(site, route_count),
	    .origin = AT(route, origin) },
	{ .name = "options",
	    .type = KEY_OPTIONS,
	    .example = "{ }",
	    .offset = AT(site, options),
	    .count = AT(site, option_count) },
	{ .name = NULL },
};

static const struct key tls_rows[] = {
	{ .name = "on",
	    .type = KEY_BOOL,
	    .value = "true",
	    .offset = AT(tls, on) },
	{ .name = "tickets",
	    .type = KEY_BOOL_DURATION,
	    .value = "false",
	    .min = 1000,
	    .max = 60000,
	    .offset = AT(tls, tickets) },
	{ .name = "version",
	    .type = KEY_INT,
	    .flags = KEY_RESTART,
	    .value = "3",
	    .max = 9,
	    .offset = AT(tls, version),
	    .origin = AT(tls, version_origin) },
	{ .name = "sites",
	    .type = KEY_GROUPS,
	    .keys = site_rows,
	    .size = sizeof(struct site),
	    .example = "( { host = \"a\"; } )",
	    .max = 100,
	    .offset = AT(tls, sites),
	    .count = AT(tls, site_count),
	    .origin = AT(site, origin) },
	{ .name = NULL },
};

static const struct key rows[] = {
	{ .name = "title",
	    .type = KEY_STRING,
	    .value = "\"none\"",
	    .offset = AT(made_up, title) },
	{ .name = "tls",
	    .type = KEY_GROUP,
	    .keys = tls_rows,
	    .size = sizeof(struct tls),
	    .example = "{ }",
	    .offset = AT(made_up, tls) },
	{ .name = NULL },
};

static struct problems problems;
static struct settings *files; /* owns the names of files */

static void
read_text(const char *text, struct made_up *ret)
{
	struct conf conf = { .problems = &problems };
	const char *file;
	struct node *root;

	conf.settings = files = settings_new();
	ck_assert_ptr_nonnull(files);
	file = settings_add_file(files, fixture_text("made_up.conf", text));
	root = tree_read(file, &problems);
	ck_assert_ptr_nonnull(root);
	memset(ret, 0, sizeof(*ret));
	ck_assert_int_eq(keys_set_defaults(rows, ret), 0);
	conf_group(&conf, file, root, rows, ret, "");
	tree_free(root);
}

static void
done(struct made_up *made_up)
{
	keys_free(rows, made_up);
	settings_free(files);
	problems_done(&problems);
}

#define SAMPLE                                                  \
	"tls : {\n"                                             \
	"  tickets = 30; version = 2;\n"                        \
	"  sites = (\n"                                         \
	"    { host = \"a.example\"; names = \"a\"; },\n"       \
	"    { host = \"b.example\"; names = [ \"b\",\n"        \
	"        \"c\" ]; timeouts : { idle = \"9s\"; };\n"     \
	"      routes = ( { to = \"x\"; },\n"                   \
	"        { to = \"y\"; weight = \"2KiB\"; } );\n"       \
	"      options : { s = \"t\"; in : { n = 5; }; }; },\n" \
	"    { } );\n"                                          \
	"};\n"

/* Check that it holds what SAMPLE says. */
static void
is_sample(const struct made_up *m)
{
	const struct site *a = &m->tls.sites[0], *b = &m->tls.sites[1],
			  *c = &m->tls.sites[2];

	ck_assert_str_eq(m->title, "none");
	ck_assert(m->tls.on && m->tls.tickets.on);
	ck_assert_uint_eq(m->tls.tickets.ms, 30000);
	ck_assert_int_eq(m->tls.version, 2);
	ck_assert_uint_eq(m->tls.version_origin.line, 2);
	ck_assert_uint_eq(m->tls.site_count, 3);
	ck_assert_str_eq(a->host, "a.example");
	ck_assert_uint_eq(a->origin.line, 4);
	ck_assert_uint_eq(a->number, UINT32_MAX);
	ck_assert_uint_eq(a->name_count, 1);
	ck_assert_str_eq(a->names[0].text, "a");
	ck_assert_uint_eq(a->timeouts.idle_ms, 5000);
	ck_assert_uint_eq(a->route_count, 0);
	ck_assert_str_eq(b->host, "b.example");
	ck_assert_uint_eq(b->name_count, 2);
	ck_assert_str_eq(b->names[1].text, "c");
	ck_assert_uint_eq(b->names[1].origin.line, 6);
	ck_assert_str_eq(b->names[1].origin.file, files->files[0]);
	ck_assert_uint_eq(b->timeouts.idle_ms, 9000);
	ck_assert_uint_eq(b->route_count, 2);
	ck_assert_str_eq(b->routes[0].to, "x");
	ck_assert_uint_eq(b->routes[0].weight, 1024);
	ck_assert_str_eq(b->routes[1].to, "y");
	ck_assert_uint_eq(b->routes[1].weight, 2048);
	ck_assert_uint_eq(b->routes[1].origin.line, 8);
	ck_assert_uint_eq(b->option_count, 2);
	ck_assert_str_eq(b->options[0].strings[0], "t");
	ck_assert_str_eq(b->options[1].path, "in.n");
	ck_assert_int_eq(b->options[1].integer, 5);
	ck_assert_ptr_null(c->host);
	ck_assert_uint_eq(c->name_count + c->route_count + c->option_count, 0);
	ck_assert_uint_eq(c->timeouts.idle_ms, 5000);
}

/* Unpack bytes.  Returns true when all of them were accepted. */
static bool
unpack(const char *data, size_t len, struct made_up *ret)
{
	struct unpacker in = { .data = data, .len = len };

	memset(ret, 0, sizeof(*ret));
	ck_assert_int_eq(keys_set_defaults(rows, ret), 0);
	bundle_unpack_keys(&in, files, rows, ret);
	return !in.failed && in.at == in.len;
}

START_TEST(nested_groups_and_lists_are_read_and_packed)
{
	struct made_up m, copy;
	struct packer out = { 0 };

	read_text(SAMPLE, &m);
	ck_assert_uint_eq(problems.count, 0);
	is_sample(&m);
	m.tls.sites[1].number = 7;
	bundle_pack_keys(&out, files, rows, &m);
	ck_assert(!out.failed);
	ck_assert(unpack(out.data, out.len, &copy));
	is_sample(&copy);
	ck_assert_uint_eq(copy.tls.sites[1].number, 7);
	keys_free(rows, &copy);
	free(out.data);
	done(&m);
}
END_TEST

START_TEST(damaged_bytes_are_refused_or_whole)
{
	struct made_up m, copy;
	struct packer out = { 0 };
	char saved[4];

	read_text(SAMPLE, &m);
	bundle_pack_keys(&out, files, rows, &m);
	ck_assert(!out.failed);
	for (size_t at = 0; at < out.len; at++) {
		ck_assert_msg(!unpack(out.data, at, &copy), "%zu", at);
		keys_free(rows, &copy);
	}
	for (size_t at = 0; at + 4 <= out.len; at++) {
		memcpy(saved, out.data + at, 4);
		memcpy(out.data + at, "\xfe\xff\xff\xff", 4);
		if (unpack(out.data, out.len, &copy))
			ck_assert_uint_eq(copy.tls.site_count, 3);
		keys_free(rows, &copy);
		memcpy(out.data + at, saved, 4);
	}
	free(out.data);
	done(&m);
}
END_TEST

START_TEST(more_groups_than_the_row_allows_are_refused)
{
	struct made_up m, copy;
	struct packer out = { 0 };
	struct route *route;

	read_text(SAMPLE, &m);
	route = keys_add(key_find(site_rows, "routes"), &m.tls.sites[1]);
	ck_assert_ptr_nonnull(route);
	ck_assert_uint_eq(route->weight, 1024);
	route->to = strdup("z");
	bundle_pack_keys(&out, files, rows, &m);
	ck_assert(!unpack(out.data, out.len, &copy));
	keys_free(rows, &copy);
	free(out.data);
	done(&m);
}
END_TEST

static void
add_line(void *arg, const char *text)
{
	char *said = arg;

	ck_assert_uint_lt(strlen(said) + strlen(text) + 2, 512);
	strcat(strcat(said, text), "\n");
}

/* Check what is told when this text becomes that one. */
static void
changes(const char *from, const char *to, const char *expected)
{
	struct made_up before, after;
	struct settings *files_before;
	char said[512] = "";

	read_text(from, &before);
	files_before = files;
	read_text(to, &after);
	ck_assert_uint_eq(problems.count, 0);
	keys_changes(rows, &before, &after, add_line, said);
	ck_assert_str_eq(said, expected);
	keys_free(rows, &before);
	settings_free(files_before);
	done(&after);
}

START_TEST(each_difference_is_told_by_its_key)
{
	changes(SAMPLE, SAMPLE, "");
	changes(SAMPLE, "\n\n" SAMPLE, ""); /* other lines, the same values */
	changes("", "title = \"some\"; tls : { on = false; version = 9; };",
	    "title is \"some\", was \"none\"\n"
	    "tls.on is false, was true\n"
	    "tls.version is 9, was 3\n");
	changes("tls : { tickets = 30; };", "tls : { tickets = true; };",
	    "tls.tickets is true, was 30s\n");
	/* Entries of a list have no name. */
	changes("tls : { sites = ( { host = \"a\"; } ); };", "",
	    "tls.sites has changed\n");
	changes("tls : { sites = ( { names = [ \"a\", \"b\" ]; } ); };",
	    "tls : { sites = ( { names = [ \"a\", \"c\" ]; } ); };",
	    "tls.sites has changed\n");
	changes("tls : { sites = ( { routes = ( { to = \"a\"; } ); } ); };",
	    "tls : { sites = ( { routes = ( { to = \"b\"; } ); } ); };",
	    "tls.sites has changed\n");
	/* Options are compared with their plugin. */
	changes("tls : { sites = ( { options : { n = 1; }; } ); };",
	    "tls : { sites = ( { options : { n = 2; }; } ); };", "");
}
END_TEST

START_TEST(each_mistake_has_its_line_and_its_key)
{
	static const struct {
		const char *text, *part;
	} mistakes[] = {
		{ "tls = 1;", "tls: expected a group" },
		{ "tls : { on = 1; };", "tls.on: expected true or false" },
		{ "tls : { sites = 1; };", "tls.sites: expected a list of" },
		{ "tls : { sites = ( 1 ); };", "tls.sites: expected groups" },
		{ "tls : { sites = ( { names = 1; } ); };",
		    "names: expected a string" },
		{ "tls : { sites = ( { names = [ ]; } ); };",
		    "names: the list is empty" },
		{ "tls : { sites = ( { timeouts : { idle = \"9h\"; }; } ); };",
		    "timeouts.idle: 9h is out of range" },
		{ "tls : { sites = ( { routes = ( { } ); } ); };",
		    "the key \"to\" is missing" },
		{ "tls : { sites = ( { routes = ( { to = \"a\"; },"
		  "{ to = \"a\"; }, { to = \"a\"; } ); } ); };",
		    "routes: there may be at most 2" },
		{ "tls : { sites = ( { hist = \"a\"; } ); };",
		    "did you mean \"host\"" },
		{ "tls : { sites = ( { options = 1; } ); };",
		    "options: expected a group" },
		{ "host = \"a\";", "unknown key \"host\"" },
	};
	struct made_up m;
	char text[256];

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		snprintf(text, sizeof(text), "\n\n%s\n", mistakes[i].text);
		read_text(text, &m);
		ck_assert_msg(problems.errors == 1, "%s: %u errors",
		    mistakes[i].text, problems.errors);
		ck_assert_uint_eq(problems.list[0].line, 3);
		ck_assert_msg(strstr(problems.list[0].text, mistakes[i].part) !=
			NULL,
		    "%s", problems.list[0].text);
		done(&m);
	}
}
END_TEST

START_TEST(a_changed_restart_key_in_a_group_is_found)
{
	struct made_up a, b;
	struct origin origin;
	struct settings *first;

	read_text("tls : { version = 2; };", &a);
	first = files;
	read_text("\ntls : {\n version = 4; };", &b);
	ck_assert_ptr_null(keys_restart(rows, &a, &a, &origin));
	ck_assert_str_eq(keys_restart(rows, &a, &b, &origin)->name, "version");
	ck_assert_uint_eq(origin.line, 3);
	keys_free(rows, &a);
	settings_free(first);
	done(&b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		nested_groups_and_lists_are_read_and_packed,
		damaged_bytes_are_refused_or_whole,
		more_groups_than_the_row_allows_are_refused,
		each_difference_is_told_by_its_key,
		each_mistake_has_its_line_and_its_key,
		a_changed_restart_key_in_a_group_is_found,
		NULL,
	};

	return fixture_run("key_walk", tests);
}

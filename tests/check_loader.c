/*
 * check_loader.c: loading plugins: the same bytes are loaded once, a bad plugin
 * is refused with a clear message, and an unloadable one is unloaded.
 */

#include <check.h>
#include <sluice.h>
#include <string.h>

#include "base/error.h"
#include "base/valgrind.h"
#include "fixture.h"
#include "image/image.h"
#include "worker/conn.h"
#include "worker/plugin.h"

/* The path of a plugin that was built for the tests. */
static const char *
built(const char *name)
{
	static char path[512];
	const char *dir = getenv("SLUICE_TEST_PLUGINS");

	snprintf(path, sizeof(path), "%s/%s.so",
	    dir != NULL ? dir : "tests/plugins", name);
	return path;
}

static struct plugin *
load(const char *name, struct error *err)
{
	struct plugin_image what = { .path = built(name) };
	struct image image;

	ck_assert_msg(image_open(built(name), &image, err) == 0, "%s",
	    err->text);
	what.hash = image.hash;
	what.fd = image.fd;
	return plugin_load(&what, err);
}

static void
refused(const char *name, const char *words)
{
	struct error err = { "" };

	ck_assert_ptr_null(load(name, &err));
	ck_assert_msg(strstr(err.text, words) != NULL, "%s: \"%s\"", name,
	    err.text);
	ck_assert_msg(strstr(err.text, "/proc/") == NULL,
	    "not the operator's path: %s", err.text);
	ck_assert_ptr_nonnull(strstr(err.text, built(name)));
}

START_TEST(the_same_bytes_are_loaded_once)
{
	struct error err;
	struct plugin *a = load("stamp", &err), *b = load("stamp", &err);

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(a->refs, 2);
	plugin_unref(a);
	plugin_unref(b);
	plugin_unload_unused();
}
END_TEST

START_TEST(different_bytes_are_different_code)
{
	struct error err;
	struct plugin *a = load("stamp", &err), *b = load("frame", &err);

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_ne(a->exported, b->exported);
	ck_assert_str_ne(a->descriptor.name, b->descriptor.name);
	plugin_unref(a);
	plugin_unref(b);
	plugin_unload_unused();
}
END_TEST

START_TEST(what_is_not_a_plugin_is_refused_in_one_sentence)
{
	refused("badabi", "ABI");
	refused("nodescriptor", "sl_plugin");
	refused("nohandlers", "neither data nor drain");
	refused("unresolved", "undefined symbol");
}
END_TEST

/* Is an image mapped? */
static bool
mapped(void)
{
	const char *what = valgrind_runs_us() ? "/sluiced-valgrind." : "memfd:";
	char line[512];
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "r");

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		found |= strstr(line, what) != NULL;
	fclose(maps);
	return found;
}

START_TEST(an_unloadable_plugin_is_unloaded_after_its_last_reference)
{
	struct error err;
	struct plugin *plugin = load("stamp", &err);

	ck_assert_ptr_nonnull(plugin);
	ck_assert(plugin->descriptor.flags & SL_UNLOADABLE);
	ck_assert(mapped());
	plugin_unload_unused();
	ck_assert(mapped()); /* there is a reference */
	plugin_unref(plugin);
	plugin_unload_unused();
	ck_assert(!mapped());
}
END_TEST

START_TEST(other_plugins_stay_and_are_found_again)
{
	struct error err;
	struct plugin *plugin = load("frame", &err), *again;

	ck_assert_ptr_nonnull(plugin);
	plugin->descriptor.flags &= ~SL_UNLOADABLE;
	plugin_unref(plugin);
	plugin_unload_unused();
	ck_assert(mapped());
	again = load("frame", &err);
	ck_assert_ptr_eq(plugin, again);
	plugin_unref(again);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_same_bytes_are_loaded_once,
		different_bytes_are_different_code,
		what_is_not_a_plugin_is_refused_in_one_sentence,
		an_unloadable_plugin_is_unloaded_after_its_last_reference,
		other_plugins_stay_and_are_found_again,
		NULL,
	};

	/* Link the sl_* functions that the plugins bind to. */
	if (sl_flush(NULL) != -1 || sl_id(NULL) != 0 ||
	    sl_service_data(NULL) != NULL || sl_option_int(NULL, "") != 0)
		return EXIT_FAILURE;
	return fixture_run("loader", tests);
}

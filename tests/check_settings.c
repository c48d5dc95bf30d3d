/*
 * check_settings.c: comparing two configurations: what needs a restart, what
 * differs, and which services are still the same.
 */

#include "conf_fixture.h"

START_TEST(keys_that_need_a_restart_are_named)
{
	struct settings *a = good("workers = 1;\n" LISTENERS), *b;
	struct origin origin;

	problems_done(&problems);
	b = good("drain_timeout = 1;\n\nworkers = 2;\n" LISTENERS);
	ck_assert_ptr_null(settings_restart_key(a, a, &origin));
	ck_assert_str_eq(settings_restart_key(a, b, &origin), "workers");
	ck_assert_uint_eq(origin.line, 3);
	ck_assert_ptr_nonnull(strstr(origin.file, "sluice.conf"));
	b->workers = 1;
	ck_assert_ptr_null(settings_restart_key(a, b, &origin));
	/* When the number of CPUs changes, the file has not changed. */
	b->workers = 3;
	b->workers_of_cpus = true;
	ck_assert_str_eq(settings_restart_key(a, b, &origin), "workers");
	a->workers_of_cpus = true;
	ck_assert_ptr_null(settings_restart_key(a, b, &origin));
	b->uid = a->uid + 1;
	ck_assert_str_eq(settings_restart_key(a, b, &origin), "user");
	b->uid = a->uid;
	b->gid = a->gid + 1;
	ck_assert_str_eq(settings_restart_key(a, b, &origin), "group");
	ck_assert_uint_eq(origin.line, 0);
	b->gid = a->gid;
	b->control = strdup("/run/x");
	ck_assert_str_eq(settings_restart_key(a, b, &origin), "control");
	a->control = strdup("/run/x");
	ck_assert_ptr_null(settings_restart_key(a, b, &origin));
	b->control_bits = 0660;
	ck_assert_str_eq(settings_restart_key(a, b, &origin), "control_mode");
	b->control_bits = a->control_bits;
	b->control_gid = 1;
	ck_assert_str_eq(settings_restart_key(a, b, &origin), "control_group");
	settings_free(a);
	done(b);
}
END_TEST

START_TEST(the_same_image_and_options_are_the_same_service)
{
#define WITH(rest)                                      \
	"listeners = ( { name = \"a\"; plugin = \"p\";" \
	"listen = \"*:1\"; " rest " } );"
	static const char *const same[] = {
		WITH("options : { a = 1; b = \"x\"; };"),
		WITH("options : { b = \"x\"; a = 1; }; backlog = 5;")
	};
	static const char *const other[] = { WITH(""),
		WITH("options : { a = 1; };"),
		WITH("options : { a = 1; b = \"y\"; };"),
		WITH("options : { a = 2; b = \"x\"; };"),
		WITH("options : { a = 1; b = [ \"x\" ]; };"),
		WITH("options : { a = 1L; c = \"x\"; };") };
	struct settings *a, *b;

	a = good(same[0]);
	problems_done(&problems);
	ck_assert_ptr_nonnull(settings_add_image(a));
	b = good(same[1]);
	ck_assert_ptr_nonnull(settings_add_image(b));
	ck_assert(listener_same_service(a, a->listeners, b, b->listeners));
	b->images[0].hash[31] = 1;
	ck_assert(!listener_same_service(a, a->listeners, b, b->listeners));
	done(b);
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++) {
		b = good(other[i]);
		ck_assert_ptr_nonnull(settings_add_image(b));
		ck_assert(
		    !listener_same_service(a, a->listeners, b, b->listeners));
		done(b);
	}
	settings_free(a);
}
END_TEST

static void
add_line(void *arg, const char *text)
{
	char *said = arg;

	ck_assert_uint_lt(strlen(said) + strlen(text) + 2, 512);
	strcat(strcat(said, text), "\n");
}

/* Check what is told when a listener with this becomes one with that. */
static void
changes(const char *from, const char *to, const char *expected)
{
	struct settings *a = good(from), *b;
	char said[512] = "";

	problems_done(&problems);
	b = good(to);
	endpoint_changes(a, a->listeners, b, b->listeners, add_line, said);
	option_changes(a->listeners, b->listeners, add_line, said);
	ck_assert_str_eq(said, expected);
	settings_free(a);
	done(b);
}

START_TEST(groups_with_a_name_are_found_again_by_it)
{
#define GROUPS(groups) "worker_groups = ( " groups " );\n" LISTENERS
	static const char from[] =
	    GROUPS("{ name = \"a\"; }, { name = \"b\"; workers = 2; }");
	static const char to[] =
	    GROUPS("{ name = \"b\"; workers = 3; }, { name = \"c\"; }");
	struct settings *a = good(from), *b;
	char said[512] = "";

	problems_done(&problems);
	b = good(to);
	keys_changes(settings_keys, a, a, add_line, said);
	ck_assert_str_eq(said, "");
	keys_changes(settings_keys, a, b, add_line, said);
	ck_assert_str_eq(said,
	    "worker_groups.c is new\nworker_groups.a is gone\n"
	    "worker_groups.b.workers is 3, was 2\n");
	settings_free(a);
	done(b);
}
END_TEST

START_TEST(strings_of_a_list_are_told_one_by_one)
{
#define ON(listen)                                      \
	"listeners = ( { name = \"a\"; plugin = \"p\";" \
	"listen = " listen "; } );"
	changes(ON("\"*:1\""), ON("[ \"*:1\" ]"), "");
	changes(ON("[ \"*:1\", \"*:2\" ]"), ON("[ \"*:3\", \"*:2\" ]"),
	    "listen now has \"*:3\"\nlisten no longer has \"*:1\"\n");
	changes(ON("\"*:1\""), ON("[ \"*:1\", \"*:2\" ]"),
	    "listen now has \"*:2\"\n");
	changes(ON("[ \"*:1\", \"*:2\" ]"), ON("[ \"*:2\", \"*:1\" ]"),
	    "listen has another order\n");
}
END_TEST

START_TEST(options_are_told_without_their_values)
{
	changes(WITH("options : { a = 1; b : { c = \"x\"; }; };"),
	    WITH("options : { b : { c = \"x\"; }; a = 1; };"), "");
	changes(WITH("options : { a = 1; b : { c = \"x\"; }; d = 1; };"),
	    WITH("options : { a = 2; b : { c = [ \"x\" ]; }; e = 1; };"),
	    "options.a has changed\noptions.b.c has changed\n"
	    "options.e is new\noptions.d is gone\n");
	changes(WITH(""), WITH("options : { a = 1; };"), "options.a is new\n");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		keys_that_need_a_restart_are_named,
		the_same_image_and_options_are_the_same_service,
		groups_with_a_name_are_found_again_by_it,
		strings_of_a_list_are_told_one_by_one,
		options_are_told_without_their_values,
		NULL,
	};

	return fixture_run("settings", tests);
}

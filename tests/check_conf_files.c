/*
 * check_conf_files.c: the files of a configuration: includes, and files that
 * cannot be read.
 */

#include "conf_fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

START_TEST(includes_are_globs_in_order)
{
	struct settings *settings;

	mkdir(fixture_path("conf.d"), 0755);
	fixture_text("conf.d/b.conf",
	    "listeners = ( { name = \"b\"; "
	    "plugin = \"p\"; listen = \"*:2\"; } );");
	fixture_text("conf.d/a.conf",
	    "listeners = ( { name = \"a\"; "
	    "plugin = \"p\"; listen = \"*:1\"; } );");
	fixture_text("conf.d/ignored", "syntax error");
	settings = good("include = \"conf.d/*.conf\";");
	ck_assert_uint_eq(settings->listener_count, 2);
	ck_assert_str_eq(settings->listeners[0].name, "a");
	ck_assert_str_eq(settings->listeners[1].name, "b");
	ck_assert_str_eq(settings->listeners[1].origin.file,
	    fixture_path("conf.d/b.conf"));
	done(settings);
	/* A file that is included twice is read once. */
	settings = good("include = [ \"conf.d/b.conf\", \"conf.d/*.conf\","
			" \"nothing.d/*.conf\" ];");
	ck_assert_uint_eq(settings->listener_count, 2);
	ck_assert_str_eq(settings->listeners[0].name, "b");
	done(settings);
}
END_TEST

START_TEST(the_directory_of_the_file_is_not_a_pattern)
{
	struct settings *settings;

	mkdir(fixture_path("a[b]"), 0755);
	mkdir(fixture_path("a[b]/conf.d"), 0755);
	fixture_text("a[b]/conf.d/a.conf",
	    "listeners = ( { name = \"a\"; "
	    "plugin = \"p\"; listen = \"*:1\"; } );");
	memset(&problems, 0, sizeof(problems));
	settings = conf_read(
	    fixture_text("a[b]/sluice.conf", "include = \"conf.d/*.conf\";"),
	    &problems);
	ck_assert_ptr_nonnull(settings);
	ck_assert_uint_eq(problems.errors, 0);
	ck_assert_uint_eq(settings->listener_count, 1);
	done(settings);
}
END_TEST

/* Files that cannot be seen must not look like listeners that were removed. */
START_TEST(a_directory_that_cannot_be_read_is_a_mistake)
{
	ck_assert_int_eq(symlink("loop.d", fixture_path("loop.d")), 0);
	one_mistake(LISTENERS "\ninclude = \"loop.d/*.conf\";", 3,
	    "cannot look for files: Too many levels of symbolic links");
}
END_TEST

START_TEST(mistakes_in_included_files_name_them)
{
	struct settings *settings;

	mkdir(fixture_path("conf.d"), 0755);
	fixture_text("conf.d/a.conf",
	    "\nworkers = 5;\n"
	    "listeners = ( { name = \"a\"; plugin = \"p\";\n"
	    "listen = \"*:1\"; frob = 1; } );");
	fixture_text("conf.d/b.conf", "listeners = (\n\n;\n");
	fixture_text("conf.d/c.conf",
	    "listeners = (\n"
	    "{ name = \"a\"; plugin = \"p\"; listen = \"*:1\"; } );"
	    "connectors = 5;\n");
	mkdir(fixture_path("conf.d/d.conf"), 0755);
	settings = read_text("workers = -1;\ninclude = (\n\"conf.d/*.conf\",\n"
			     "\"missing.conf\" );\n");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 1, "workers");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 4, "no such file");
	expect(LOG_LEVEL_ERROR, "/a.conf", 2, "workers: an included file");
	expect(LOG_LEVEL_ERROR, "/a.conf", 4, "unknown key \"frob\"");
	expect(LOG_LEVEL_ERROR, "/b.conf", 1, "never closed");
	expect(LOG_LEVEL_ERROR, "/c.conf", 2,
	    "name: \"a\" is already the name");
	expect(LOG_LEVEL_ERROR, "/c.conf", 2,
	    "*:1 is already used by listener \"a\"");
	expect(LOG_LEVEL_ERROR, "/c.conf", 2, "connectors: ");
	expect(LOG_LEVEL_ERROR, "/d.conf", 0, "is a directory");
	ck_assert_uint_eq(problems.errors, 9);
	done(settings);
	fixture_text("other.conf", "include = \"x\";");
	one_mistake(LISTENERS "\ninclude = \"sluice.conf\";", 3, "itself");
	one_mistake(LISTENERS "include = 5;", 2, "include: expected a string");
	one_mistake(LISTENERS "include = ( );", 2,
	    "include: the list is empty");
	settings = read_text(LISTENERS "include = \"other.conf\";");
	expect(LOG_LEVEL_ERROR, "/other.conf", 1, "include: an included file");
	done(settings);
}
END_TEST

/* What root must not read, and which command the error names. */
static void
untrusted(const char *part, const char *command, const char *name)
{
	struct settings *settings =
	    conf_read(fixture_path("sluice.conf"), &problems);
	char repaired[256];

	snprintf(repaired, sizeof(repaired), "%s %s", command,
	    name != NULL ? fixture_path(name) : fixture_dir);
	ck_assert_uint_eq(problems.errors, 1);
	ck_assert_ptr_nonnull(strstr(problems.list[0].text, part));
	if (strstr(problems.list[0].text, repaired) == NULL)
		ck_abort_msg("no \"%s\" in \"%s\"", repaired,
		    problems.list[0].text);
	done(settings);
}

static void
trusted(void)
{
	struct settings *settings =
	    conf_read(fixture_path("sluice.conf"), &problems);

	dump();
	ck_assert_uint_eq(problems.errors, 0);
	done(settings);
}

START_TEST(for_root_only_root_may_write_the_files)
{
	fixture_text("sluice.conf", LISTENERS "include = \"conf.d/*.conf\";");
	ck_assert_int_eq(mkdir(fixture_path("conf.d"), 0755), 0);
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chmod(fixture_path("sluice.conf"), 0664), 0);
	untrusted("can be written to by its group", "chmod g-w", "sluice.conf");
	ck_assert_int_eq(chmod(fixture_path("sluice.conf"), 0666), 0);
	untrusted("can be written to by everybody", "chmod go-w",
	    "sluice.conf");
	ck_assert_int_eq(chmod(fixture_path("sluice.conf"), 0644), 0);
	ck_assert_int_eq(chown(fixture_path("sluice.conf"), 1234567, 0), 0);
	untrusted("belongs to user 1234567", "chown root", "sluice.conf");
	ck_assert_int_eq(chown(fixture_path("sluice.conf"), 0, 0), 0);
	ck_assert_int_eq(chmod(fixture_dir, 0702), 0);
	untrusted("the directory", "chmod o-w", NULL);
	ck_assert_int_eq(chmod(fixture_dir, 0700), 0);
	/* An empty directory counts, since others may put files into it. */
	ck_assert_int_eq(chmod(fixture_path("conf.d"), 0777), 0);
	untrusted("include: \"conf.d/*.conf\"", "chmod go-w", "conf.d");
	ck_assert_int_eq(chmod(fixture_path("conf.d"), 01777), 0);
	trusted();
	ck_assert_int_eq(chown(fixture_path("conf.d"), 1234567, 0), 0);
	untrusted("belongs to user 1234567", "chown root", "conf.d");
	ck_assert_int_eq(chown(fixture_path("conf.d"), 0, 0), 0);
	fixture_text("conf.d/a.conf", "");
	trusted();
	ck_assert_int_eq(chmod(fixture_path("conf.d/a.conf"), 0666), 0);
	untrusted("can be written to by everybody", "chmod go-w",
	    "conf.d/a.conf");
	unlink(fixture_path("conf.d/a.conf"));
	ck_assert_int_eq(symlink("/dev/null", fixture_path("conf.d/a.conf")),
	    0);
	ck_assert_int_eq(lchown(fixture_path("conf.d/a.conf"), 1234567, 0), 0);
	untrusted("the link", "chown -h root", "conf.d/a.conf");
}
END_TEST

START_TEST(an_include_directory_that_is_missing_is_warned_of)
{
	struct settings *settings;

	settings = good(LISTENERS "include = [ \"conf.d/*.conf\",\n"
				  "\"conf.d/x/*.conf\", \"*.no\" ];");
	expect(LOG_LEVEL_WARN, "/sluice.conf", 2,
	    "include: \"conf.d/*.conf\": there is no directory");
	expect(LOG_LEVEL_WARN, "/sluice.conf", 3, "/conf.d/x, so nothing");
	ck_assert_uint_eq(problems.count, 2);
	done(settings);
	mkdir(fixture_path("conf.d"), 0755);
	settings = good(LISTENERS "include = \"conf.d/*.conf\";");
	ck_assert_uint_eq(problems.count, 0);
	done(settings);
}
END_TEST

START_TEST(what_is_not_a_regular_file_is_refused_at_once)
{
	static const char *const of_one_process[] = { "/dev/fd/63",
		"/dev/stdin", "-" };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char *large = malloc((1 << 20) + 1);
	int fd;

	ck_assert_ptr_nonnull(large);
	ck_assert_ptr_null(conf_read(fixture_path("missing"), &problems));
	expect(LOG_LEVEL_ERROR, "/missing", 0, "No such file");
	done(NULL);
	ck_assert_ptr_null(conf_read(fixture_dir, &problems));
	expect(LOG_LEVEL_ERROR, fixture_dir, 0, "is a directory");
	done(NULL);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_ptr_null(conf_read(of_one_process[i], &problems));
		expect(LOG_LEVEL_ERROR, of_one_process[i], 0,
		    "each reload reads the configuration anew; write it to");
		done(NULL);
	}
	ck_assert_int_eq(mkfifo(fixture_path("fifo"), 0644), 0);
	ck_assert_ptr_null(conf_read(fixture_path("fifo"), &problems));
	expect(LOG_LEVEL_ERROR, "/fifo", 0, "not a regular file");
	done(NULL);
	ck_assert_ptr_null(conf_read("/dev/zero", &problems));
	expect(LOG_LEVEL_ERROR, "/dev/zero", 0, "not a regular file");
	done(NULL);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(un.sun_path, fixture_path("socket"));
	ck_assert_int_eq(bind(fd, (void *)&un, sizeof(un)), 0);
	ck_assert_ptr_null(conf_read(fixture_path("socket"), &problems));
	expect(LOG_LEVEL_ERROR, "/socket", 0, "not a regular file");
	close(fd);
	done(NULL);
	memset(large, ' ', (1 << 20) + 1);
	ck_assert_ptr_null(
	    conf_read(fixture_file("large", large, (1 << 20) + 1), &problems));
	expect(LOG_LEVEL_ERROR, "/large", 0, "at most 1048576");
	done(NULL);
	memcpy(large, LISTENERS, strlen(LISTENERS));
	done(conf_read(fixture_file("fits", large, 1 << 20), &problems));
	ck_assert_int_eq(symlink("loop", fixture_path("loop")), 0);
	ck_assert_ptr_null(conf_read(fixture_path("loop"), &problems));
	expect(LOG_LEVEL_ERROR, "/loop", 0, "symbolic links");
	done(NULL);
	free(large);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		includes_are_globs_in_order,
		the_directory_of_the_file_is_not_a_pattern,
		a_directory_that_cannot_be_read_is_a_mistake,
		mistakes_in_included_files_name_them,
		for_root_only_root_may_write_the_files,
		an_include_directory_that_is_missing_is_warned_of,
		what_is_not_a_regular_file_is_refused_at_once,
		NULL,
	};

	return fixture_run("conf_files", tests);
}

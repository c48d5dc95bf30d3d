/*
 * check_watch_files.c: which changes of files are a reason to reload with
 * --watch, and which are waited for.
 */

#include "fixture.h"

#include <sys/stat.h>

#include "master/watch_files.h"

static struct watch_files files;

/* A reload reads these. */
static void
reload(const char *name, const char *pattern)
{
	watch_files_begin(&files);
	ck_assert_int_eq(watch_files_add(&files, fixture_path(name), false), 0);
	ck_assert_int_eq(watch_files_add(&files, fixture_path(pattern), true),
	    0);
	watch_files_end(&files, true);
}

/* The last part of the path of what has changed, or "". */
static const char *
changed(void)
{
	const struct watch_file *file;
	const char *slash;

	watch_files_look(&files);
	file = watch_files_changed(&files);
	if (file == NULL)
		return "";
	slash = strrchr(file->path, '/');
	return slash != NULL ? slash + 1 : file->path;
}

static unsigned int
gone(void)
{
	const struct watch_file *file;
	unsigned int count = 0;

	watch_files_look(&files);
	LIST_FOREACH(file, &files, link)
		count += file->loaded != 0 && file->seen == 0;
	return count;
}

static void
remove_file(const char *name)
{
	ck_assert_int_eq(unlink(fixture_path(name)), 0);
}

static void
begin(void)
{
	LIST_INIT(&files);
	mkdir(fixture_path("d"), 0755);
	fixture_text("main", "x");
	fixture_text("d/a.conf", "a");
	fixture_text("d/b.conf", "b");
	reload("main", "d/*.conf");
	ck_assert_str_eq(changed(), "");
	ck_assert_uint_eq(gone(), 0);
}

START_TEST(what_is_written_or_new_is_a_change)
{
	begin();
	fixture_text("main", "xx");
	ck_assert_str_eq(changed(), "main");
	reload("main", "d/*.conf");
	fixture_text("d/b.conf", "bb");
	ck_assert_str_eq(changed(), "b.conf");
	reload("main", "d/*.conf");
	fixture_text("d/c.conf", "c");
	ck_assert_str_eq(changed(), "*.conf");
	reload("main", "d/*.conf");
	ck_assert_str_eq(changed(), "");
	fixture_text("d/c.conf", "cc");
	ck_assert_str_eq(changed(), "c.conf");
	fixture_text("d/other", "o");
	reload("main", "d/*.conf");
	ck_assert_str_eq(changed(), "");
	watch_files_clear(&files);
}
END_TEST

START_TEST(what_is_removed_is_waited_for)
{
	begin();
	remove_file("main");
	ck_assert_str_eq(changed(), "");
	remove_file("d/a.conf");
	ck_assert_str_eq(changed(), "");
	ck_assert_uint_eq(gone(), 2);
	fixture_text("d/a.conf", "new");
	ck_assert_str_eq(changed(), "a.conf");
	reload("main", "d/*.conf");
	remove_file("d/a.conf");
	remove_file("d/b.conf");
	ck_assert_int_eq(rmdir(fixture_path("d")), 0);
	ck_assert_str_eq(changed(), "");
	watch_files_clear(&files);
}
END_TEST

/* When the reload has read it as missing it is no longer waited for. */
START_TEST(what_was_missing_at_the_last_reload_is_new_when_it_comes)
{
	begin();
	remove_file("d/a.conf");
	reload("main", "d/*.conf");
	ck_assert_uint_eq(gone(), 0);
	ck_assert_str_eq(changed(), "");
	fixture_text("d/a.conf", "a");
	ck_assert_str_eq(changed(), "*.conf");
	watch_files_clear(&files);
}
END_TEST

/* The reader may have read it, or not yet: read it once more. */
START_TEST(what_comes_while_the_reader_runs_is_a_change)
{
	begin();
	watch_files_begin(&files);
	fixture_text("d/c.conf", "c");
	fixture_text("d/b.conf", "bb");
	remove_file("d/a.conf");
	watch_files_add(&files, fixture_path("main"), false);
	watch_files_add(&files, fixture_path("d/*.conf"), true);
	watch_files_end(&files, true);
	ck_assert_str_ne(changed(), "");
	ck_assert_uint_eq(gone(), 1);
	fixture_text("d/b.conf", "b");
	reload("main", "d/*.conf");
	ck_assert_str_eq(changed(), "");
	watch_files_clear(&files);
}
END_TEST

/* Files of a pattern that is no longer read are dropped with it. */
START_TEST(files_of_a_pattern_go_with_it)
{
	begin();
	mkdir(fixture_path("e"), 0755);
	fixture_text("e/x.conf", "x");
	reload("main", "e/*.conf");
	fixture_text("d/b.conf", "bb");
	fixture_text("d/c.conf", "c");
	ck_assert_str_eq(changed(), "");
	fixture_text("e/x.conf", "xx");
	ck_assert_str_eq(changed(), "x.conf");
	watch_files_clear(&files);
}
END_TEST

START_TEST(all_files_can_be_forgotten)
{
	begin();
	watch_files_forget(&files);
	ck_assert_str_ne(changed(), "");
	reload("main", "d/*.conf");
	ck_assert_str_eq(changed(), "");
	watch_files_clear(&files);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_written_or_new_is_a_change,
		what_is_removed_is_waited_for,
		what_was_missing_at_the_last_reload_is_new_when_it_comes,
		what_comes_while_the_reader_runs_is_a_change,
		files_of_a_pattern_go_with_it,
		all_files_can_be_forgotten,
		NULL,
	};

	return fixture_run("watch_files", tests);
}

/*
 * fixture.h: what several check_*.c need: a directory of their own, files in
 * it, and a main().  Only for tests; each program includes it once.
 */

#ifndef SLUICE_TESTS_FIXTURE_H
#define SLUICE_TESTS_FIXTURE_H

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char fixture_dir[64];

static inline int
fixture_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
fixture_setup(void)
{
	snprintf(fixture_dir, sizeof(fixture_dir), "/tmp/sluice-check.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fixture_dir));
}

static inline void
fixture_teardown(void)
{
	nftw(fixture_dir, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/*
 * Can localhost be resolved?  If not a test that needs it is skipped, and this
 * says so.
 */
static inline bool
fixture_localhost(void)
{
	struct addrinfo *list;

	if (getaddrinfo("localhost", NULL, NULL, &list) == 0) {
		freeaddrinfo(list);
		return true;
	}
	fprintf(stderr,
	    "skipped: localhost has no address here; see /etc/hosts\n");
	return false;
}

/* The path of a file in the directory; valid for the next seven calls. */
static inline const char *
fixture_path(const char *name)
{
	static char paths[8][192];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", fixture_dir, name);
	return path;
}

static inline const char *
fixture_file(const char *name, const void *data, size_t len)
{
	const char *path = fixture_path(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
	return path;
}

static inline const char *
fixture_text(const char *name, const char *text)
{
	return fixture_file(name, text, strlen(text));
}

/* How many descriptors this process has open. */
static inline unsigned int
fixture_descriptors(void)
{
	unsigned int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl((int)fd, F_GETFD) != -1;
	return count;
}

static inline void
fixture_nothing(void)
{
}

/*
 * Run every test of the list, which ends with NULL.  Each has a directory of
 * its own, and runs after `setup`.
 */
static inline int
fixture_run_in(const char *name, const TTest *const *tests, void (*setup)(void))
{
	Suite *suite = suite_create(name);
	TCase *all = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(all, fixture_setup, fixture_teardown);
	tcase_add_checked_fixture(all, setup, fixture_nothing);
	tcase_set_timeout(all, 120); /* valgrind is slow */
	for (; *tests != NULL; tests++)
		tcase_add_test(all, *tests);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int
fixture_run(const char *name, const TTest *const *tests)
{
	return fixture_run_in(name, tests, fixture_nothing);
}

#endif

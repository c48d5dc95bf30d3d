/* check_descriptors.c: the open files of this process are counted. */

#include "base/descriptors.h"

#include <check.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/valgrind.h"
#include "fixture.h"

START_TEST(open_descriptors_are_counted)
{
	uint32_t before = descriptors_open();
	int fd;

	ck_assert_uint_eq(before, fixture_descriptors());
	fd = dup(STDERR_FILENO);
	ck_assert_int_ne(fd, -1);
	ck_assert_uint_eq(descriptors_open(), before + 1);
	close(fd);
	ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(at_the_limit_all_are_open)
{
	const struct rlimit limit = { 64, 64 };
	int fd, last = -1;

	ck_assert(!descriptors_used_up());
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(descriptors_max(), 64);
	while ((fd = dup(STDERR_FILENO)) != -1)
		last = fd;
	ck_assert(descriptors_used_up());
	ck_assert_uint_eq(descriptors_open(), fixture_descriptors());
	/* A sanitizer needs some at the end. */
	for (fd = last - 8; fd <= last; fd++)
		close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		open_descriptors_are_counted,
		at_the_limit_all_are_open,
		NULL,
	};

	/* It has descriptors of its own, which it hides, and keeps the limit. */
	if (valgrind_runs_us())
		return 77;

	return fixture_run("descriptors", tests);
}

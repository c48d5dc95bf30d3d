/*
 * check_open_file.c: files that an operator names are opened only if they are
 * regular ones, by each function that opens them.
 */

#include "fixture.h"

#include <errno.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/log_file.h"
#include "base/open_file.h"
#include "base/trusted_path.h"
#include "config/secret.h"
#include "image/image.h"
#include "image/system_libraries.h"
#include "reader/config_file.h"
#include "reader/secret_files.h"

static void
by_itself(const char *path)
{
	int fd = open_file(AT_FDCWD, path, 0);

	if (fd != -1)
		close(fd);
}

static void
as_configuration(const char *path)
{
	struct error err;
	size_t len;

	free(config_file_read(path, &len, &err));
}

static void
as_secret(const char *path)
{
	struct error err;

	secret_free(secret_file_read(path, &err));
}

static void
as_image(const char *path)
{
	struct image image = { .fd = -1 };
	struct error err;

	(void)image_open(path, &image, &err);
	image_close(&image);
}

static void
as_plugin(const char *path)
{
	const struct trusted_users users = { { geteuid(), geteuid() } };
	struct error doubt;
	int fd = trusted_path_open(path, &users, &doubt);

	if (fd != -1)
		close(fd);
}

static void
as_candidate(const char *path)
{
	(void)system_libraries_fits(path);
}

static void
as_log(const char *path)
{
	struct error err;
	int fd = log_file_open(path, &err);

	if (fd != -1)
		close(fd);
}

static void
as_log_to_be(const char *path)
{
	struct error err;

	(void)log_file_check(path, &err);
}

static void (*const openers[])(const char *path) = {
	by_itself,
	as_configuration,
	as_secret,
	as_image,
	as_plugin,
	as_candidate,
	as_log,
	as_log_to_be,
};
#define OPENERS (sizeof(openers) / sizeof(openers[0]))

/* Does somebody open the file during this call? */
static bool
opens(void (*opener)(const char *path), const char *path)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char events[4096];
	ssize_t n;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_ne(inotify_add_watch(fd, path, IN_OPEN), -1);
	opener(path);
	n = read(fd, events, sizeof(events));
	ck_assert(n > 0 || errno == EAGAIN);
	close(fd);
	return n > 0;
}

START_TEST(only_regular_files_are_opened)
{
	const char *file = fixture_text("file", "x");
	const char *fifo = fixture_path("fifo");
	const char *device = fixture_path("device");
	bool has_device;

	ck_assert_int_eq(mkfifo(fifo, 0644), 0);
	/* A device as /dev/zero, where we may make one. */
	has_device = mknod(device, S_IFCHR | 0644, makedev(1, 5)) == 0;
	for (size_t i = 0; i < OPENERS; i++) {
		ck_assert_msg(opens(openers[i], file), "opener %zu", i);
		ck_assert_msg(!opens(openers[i], fifo), "opener %zu", i);
		ck_assert_msg(!has_device || !opens(openers[i], device),
		    "opener %zu", i);
	}
}
END_TEST

START_TEST(what_is_opened_can_be_read)
{
	const char *file = fixture_text("file", "hello");
	int fd = open_file(AT_FDCWD, file, 0), dir;
	char text[8];

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 5);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	dir = open(fixture_dir, O_PATH | O_CLOEXEC);
	fd = open_file(dir, "file", O_NOFOLLOW);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 5);
	close(fd);
	close(dir);
	ck_assert_int_eq(open_file(AT_FDCWD, fixture_path("missing"), 0), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* As in a chroot, or for users who may not see it. */
START_TEST(it_works_without_proc)
{
	const char *file = fixture_text("file", "hello");
	unsigned int before;
	char text[8];
	int fd;

	if (unshare(CLONE_NEWNS) == -1 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("none", "/proc", "tmpfs", 0, NULL) == -1)
		return; /* only root may do this */
	before = fixture_descriptors();
	fd = open_file(AT_FDCWD, file, 0);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 5);
	close(fd);
	ck_assert_uint_eq(fixture_descriptors(), before);
	ck_assert_int_eq(umount("/proc"), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		only_regular_files_are_opened,
		what_is_opened_can_be_read,
		it_works_without_proc,
		NULL,
	};

	return fixture_run("open_file", tests);
}

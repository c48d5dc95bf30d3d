/*
 * open_file.c: open what was looked at.  A path may lead elsewhere a moment
 * later, but a descriptor does not.
 */

#include "base/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/same_file.h"

/* A regular file may be slow to open as well: O_NONBLOCK is for leases. */
#define ALWAYS (O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Without /proc the path is opened again, and has to lead to the same file. */
static int
open_again(int dir, const char *path, int flags, const struct stat *seen)
{
	int fd = openat(dir, path, ALWAYS | flags);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && same_inode(&st, seen))
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

int
open_file(int dir, const char *path, int flags)
{
	return open_file_for(dir, path, flags, O_RDONLY);
}

int
open_file_for(int dir, const char *path, int flags, int use)
{
	int found = openat(dir, path, O_PATH | O_CLOEXEC | flags), fd, saved;
	struct stat st;
	char link[32];

	if (found == -1)
		return -1;
	/* If this fails it fails for the caller as well. */
	if (fstat(found, &st) == -1 || !S_ISREG(st.st_mode))
		return found;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
	fd = open(link, ALWAYS | use);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		fd = open_again(dir, path, flags | use, &st);
	saved = errno;
	close(found);
	errno = saved;
	return fd;
}

/* log_file.c: opens a file for the log, and is not led to another one. */

#include "base/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/open_file.h"

#define APPEND (O_WRONLY | O_APPEND)
/* A file that is made cannot be anything else, a link for example. */
#define MAKE (APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static int
refuse(const char *path, struct error *err)
{
	switch (errno) {
	case ELOOP:
		return error_set(err,
		    "\"%s\" is a symbolic link: name the file that it leads to",
		    path);
	case EINVAL:
		return error_set(err,
		    "\"%s\" is not a regular file: name a file, which is made "
		    "if it does not exist",
		    path);
	case ENOENT:
		return error_set(err,
		    "cannot open \"%s\": there is no such directory: make it, "
		    "for the user that starts sluiced",
		    path);
	default:
		return error_sys(err, "cannot open \"%s\"", path);
	}
}

/* Open what is there.  -1 with errno; ENOENT: nothing is. */
static int
open_old(const char *path)
{
	int fd = open_file_for(AT_FDCWD, path, O_NOFOLLOW, APPEND);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return fail(S_ISLNK(st.st_mode) ? ELOOP : EINVAL);
}

/* The umask is for other files: whoever reads logs is in the file's group. */
static int
make(const char *path)
{
	int fd = open(path, MAKE, LOG_FILE_MODE);

	if (fd != -1)
		fchmod(fd, LOG_FILE_MODE);
	else if (errno == EEXIST)
		fd = open_old(path); /* made by another in this moment */
	return fd;
}

int
log_file_open(const char *path, struct error *err)
{
	int fd = open_old(path);

	if (fd == -1 && errno == ENOENT)
		fd = make(path);
	return fd != -1 ? fd : refuse(path, err);
}

/* Could it be made there? */
static int
check_directory(const char *path, struct error *err)
{
	char *copy = strdup(path);
	int rc;

	if (copy == NULL)
		return refuse(path, err);
	rc = faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS);
	free(copy);
	return rc == 0 ? 0 : refuse(path, err);
}

int
log_file_check(const char *path, struct error *err)
{
	int fd = open_old(path);

	if (fd == -1 && errno == ENOENT)
		return check_directory(path, err);
	if (fd == -1)
		return refuse(path, err);
	close(fd);
	return 0;
}

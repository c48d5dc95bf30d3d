/* log_file.c: opens a file for the log, and is not led to another one. */

#include "base/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
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
	case EMLINK:
		return error_set(err,
		    "\"%s\" is a hard link, so it may be another file as "
		    "well: remove it, and it is made anew",
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
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink <= 1)
		return fd;
	close(fd);
	if (S_ISREG(st.st_mode))
		return fail(EMLINK);
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

static bool
is_ours(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* The sticky bit keeps others from renaming the file, once it is there. */
static int
trust_directory(const char *path, const struct stat *st, struct error *doubt)
{
	bool sticky = st->st_mode & S_ISVTX;
	bool everybody = (st->st_mode & S_IWOTH) && !sticky;
	bool group = (st->st_mode & S_IWGRP) && !sticky && st->st_gid != 0 &&
	    st->st_gid != getegid();

	if (!is_ours(st->st_uid))
		return error_set(doubt,
		    "the directory \"%s\" belongs to user %u, who could put "
		    "another file in the place of the log; use one that "
		    "belongs to the user that starts sluiced",
		    path, (unsigned int)st->st_uid);
	if (everybody || group)
		return error_set(doubt,
		    "the directory \"%s\" can be written to by %s, who could "
		    "put another file in the place of the log; take that "
		    "permission away: chmod %s-w",
		    path, everybody ? "everybody" : "its group",
		    everybody ? "o" : "g");
	return 0;
}

int
log_file_trust(const char *path, struct error *doubt)
{
	char *copy = strdup(path), *directory;
	struct stat st;
	int rc = 0;

	if (copy == NULL)
		return 0;
	directory = dirname(copy);
	if (lstat(path, &st) == 0 && !is_ours(st.st_uid))
		rc = error_set(doubt,
		    "\"%s\" belongs to user %u, who can read and change the "
		    "log; remove it, and it is made anew",
		    path, (unsigned int)st.st_uid);
	else if (stat(directory, &st) == 0)
		rc = trust_directory(directory, &st, doubt);
	free(copy);
	return rc;
}

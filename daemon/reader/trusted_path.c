/*
 * trusted_path.c: the walk along a path.  Whoever can write to a directory on
 * it decides what the file is, so each is checked through the descriptor that
 * the next is opened from: nothing can be replaced in between.
 */

#include "reader/trusted_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/open_file.h"

#define LINKS_MAX 40 /* the kernel's own limit */

struct walk {
	const char *path; /* the operator's, for messages */
	const struct trusted_users *users;
	struct error *doubt;
	int at;	    /* the directory we are in */
	char *rest; /* owned: what is still to walk */
	unsigned int links;
};

/*
 * The path of `name` in the directory we are in; without a name, of the
 * directory.
 */
static void
name_place(const struct walk *walk, const char *name, char text[PATH_MAX])
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", walk->at);
	len = readlink(link, text, PATH_MAX - 1);
	if (len <= 0) {
		snprintf(text, PATH_MAX, "%s", walk->path);
		return;
	}
	text[len] = '\0';
	if (name == NULL)
		return;
	if (len == 1)
		len = 0; /* "/" */
	snprintf(text + len, PATH_MAX - (size_t)len, "/%s", name);
}

static const char *
user_name(uid_t uid, char text[64])
{
	const struct passwd *user = getpwuid(uid);

	if (user != NULL)
		snprintf(text, 64, "user \"%s\"", user->pw_name);
	else
		snprintf(text, 64, "user %u", uid);
	return text;
}

static bool
is_trusted(const struct walk *walk, uid_t uid)
{
	return uid == 0 || uid == walk->users->uid[0] ||
	    uid == walk->users->uid[1];
}

/* Keep only the first doubt.  name NULL: the directory we are in. */
static void
look_at(struct walk *walk, const struct stat *st, const char *name)
{
	const char *what = S_ISDIR(st->st_mode) ? "the directory "
	    : S_ISLNK(st->st_mode)		? "the link "
						: "the file ";
	char place[PATH_MAX], user[64];
	const char *who;

	/* Other types are refused later. */
	if (walk->doubt->text[0] != '\0' ||
	    !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ||
		S_ISLNK(st->st_mode)))
		return;
	if (!is_trusted(walk, st->st_uid)) {
		name_place(walk, name, place);
		error_set(walk->doubt,
		    "%s: cannot be trusted: %s%s belongs to %s; make root or "
		    "the workers' user its owner",
		    walk->path, what, place, user_name(st->st_uid, user));
		return;
	}
	/* The mode of a link means nothing. */
	if (S_ISLNK(st->st_mode) || !(st->st_mode & (S_IWGRP | S_IWOTH)) ||
	    (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)))
		return;
	who = st->st_mode & S_IWOTH ? "everybody" : "its group";
	name_place(walk, name, place);
	error_set(walk->doubt,
	    "%s: cannot be trusted: %s%s can be written to by %s; take that "
	    "permission away",
	    walk->path, what, place, who);
}

/* Go to a directory that is open; takes fd over. */
static int
enter(struct walk *walk, int fd, struct error *err)
{
	struct stat st;

	if (fd == -1)
		return error_sys(err, "%s", walk->path);
	if (walk->at != -1)
		close(walk->at);
	walk->at = fd;
	if (fstat(fd, &st) == -1)
		return error_sys(err, "%s", walk->path);
	look_at(walk, &st, NULL);
	return 0;
}

/* Put the target of a link in front of what is left. */
static int
follow(struct walk *walk, const char *name, struct error *err)
{
	char target[PATH_MAX], *rest;
	ssize_t len = readlinkat(walk->at, name, target, sizeof(target) - 1);

	if (len == -1)
		return error_sys(err, "%s", walk->path);
	target[len] = '\0';
	if (len == 0 || ++walk->links > LINKS_MAX) {
		errno = ELOOP;
		return error_sys(err, "%s", walk->path);
	}
	if (asprintf(&rest, "%s/%s", target, walk->rest) == -1)
		return error_set(err, "%s: out of memory", walk->path);
	/* No slash after a file. */
	if (walk->rest[0] == '\0')
		rest[len] = '\0';
	free(walk->rest);
	walk->rest = rest;
	if (target[0] != '/')
		return 0;
	return enter(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), err);
}

/* Take the next name off what is left.  "" and false: there is none. */
static bool
next_name(struct walk *walk, char name[NAME_MAX + 1], bool *ret_last)
{
	const char *from = walk->rest + strspn(walk->rest, "/");
	size_t len = strcspn(from, "/"), copied = len;

	/* A name that is too long is cut, and then not found. */
	if (copied > NAME_MAX)
		copied = NAME_MAX;
	memcpy(name, from, copied);
	name[copied] = '\0';
	*ret_last = from[len] == '\0';
	memmove(walk->rest, from + len, strlen(from + len) + 1);
	return len > 0;
}

/* Walk what is left.  Returns the descriptor of the last name, or -1. */
static int
walk_rest(struct walk *walk, struct error *err)
{
	char name[NAME_MAX + 1];
	struct stat st;
	bool last;
	int fd;

	while (next_name(walk, name, &last)) {
		if (fstatat(walk->at, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			return error_sys(err, "%s", walk->path);
		if (S_ISLNK(st.st_mode)) {
			look_at(walk, &st, name);
			if (follow(walk, name, err) == -1)
				return -1;
			continue;
		}
		if (!last) {
			fd = openat(walk->at, name,
			    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (enter(walk, fd, err) == -1)
				return -1;
			continue;
		}
		fd = open_file(walk->at, name, O_NOFOLLOW);
		if (fd == -1)
			return error_sys(err, "%s", walk->path);
		if (fstat(fd, &st) == -1) {
			close(fd);
			return error_sys(err, "%s", walk->path);
		}
		look_at(walk, &st, name);
		return fd;
	}
	/* The path ends with a slash, or is "/". */
	fd = openat(walk->at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd != -1 ? fd : error_sys(err, "%s", walk->path);
}

int
trusted_path_open(const char *path, const struct trusted_users *users,
    struct error *doubt, struct error *err)
{
	struct walk walk = { path, users, doubt, -1, NULL, 0 };
	char *here = NULL;
	int fd = -1;

	doubt->text[0] = '\0';
	/* What lies above the working directory counts as well. */
	if (path[0] != '/' && (here = getcwd(NULL, 0)) == NULL)
		return error_sys(err, "%s", path);
	if (asprintf(&walk.rest, "%s/%s", here != NULL ? here : "", path) ==
	    -1) {
		walk.rest = NULL;
		error_set(err, "%s: out of memory", path);
	} else if (enter(&walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
		       err) == 0) {
		fd = walk_rest(&walk, err);
	}
	if (walk.at != -1)
		close(walk.at);
	free(walk.rest);
	free(here);
	return fd;
}

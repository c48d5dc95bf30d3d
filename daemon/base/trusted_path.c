/*
 * trusted_path.c: the walk along a path.  Whoever can write to a directory on
 * it decides what the file is, so each is checked through the descriptor that
 * the next is opened from: nothing can be replaced in between.
 */

#include "base/trusted_path.h"

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
#include "base/fail.h"
#include "base/open_file.h"

#define LINKS_MAX 40 /* the kernel's own limit */

struct walk {
	const char *path; /* the operator's, if there is no better one */
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

/* "root", or "root or user "sluice"". */
static const char *
owner_names(const struct walk *walk, char text[80])
{
	char user[64];
	uid_t uid = walk->users->uid[1] != 0 ? walk->users->uid[1]
					     : walk->users->uid[0];

	if (uid == 0)
		return "root";
	snprintf(text, 80, "root or %s", user_name(uid, user));
	return text;
}

/* Keep only the first doubt.  name NULL: the directory we are in. */
static void
look_at(struct walk *walk, const struct stat *st, const char *name)
{
	const char *what = S_ISDIR(st->st_mode) ? "the directory "
	    : S_ISLNK(st->st_mode)		? "the link "
						: "the file ";
	bool link = S_ISLNK(st->st_mode);
	char place[PATH_MAX], user[64], owners[80];
	mode_t others = st->st_mode & (S_IWGRP | S_IWOTH);

	/* Other types are refused later. */
	if (walk->doubt->text[0] != '\0' ||
	    !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ||
		S_ISLNK(st->st_mode)))
		return;
	if (!is_trusted(walk, st->st_uid)) {
		name_place(walk, name, place);
		error_set(walk->doubt,
		    "cannot be trusted: %s%s belongs to %s; make %s its "
		    "owner, such as by chown %sroot %s",
		    what, place, user_name(st->st_uid, user),
		    owner_names(walk, owners), link ? "-h " : "", place);
		return;
	}
	/* The mode of a link means nothing. */
	if (link || others == 0 ||
	    (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)))
		return;
	name_place(walk, name, place);
	error_set(walk->doubt,
	    "cannot be trusted: %s%s can be written to by %s; take that "
	    "permission away: chmod %s-w %s",
	    what, place, others & S_IWOTH ? "everybody" : "its group",
	    others == S_IWGRP	    ? "g"
		: others == S_IWOTH ? "o"
				    : "go",
	    place);
}

/* Go to a directory that is open; takes fd over.  0, or -1 with errno. */
static int
enter(struct walk *walk, int fd)
{
	struct stat st;

	if (fd == -1)
		return -1;
	if (walk->at != -1)
		close(walk->at);
	walk->at = fd;
	if (fstat(fd, &st) == -1)
		return -1;
	look_at(walk, &st, NULL);
	return 0;
}

/* Put the target of a link in front of what is left. */
static int
follow(struct walk *walk, const char *name)
{
	char target[PATH_MAX], *rest;
	ssize_t len = readlinkat(walk->at, name, target, sizeof(target) - 1);

	if (len == -1)
		return -1;
	target[len] = '\0';
	if (len == 0 || ++walk->links > LINKS_MAX)
		return fail(ELOOP);
	if (asprintf(&rest, "%s/%s", target, walk->rest) == -1)
		return fail(ENOMEM);
	/* No slash after a file. */
	if (walk->rest[0] == '\0')
		rest[len] = '\0';
	free(walk->rest);
	walk->rest = rest;
	if (target[0] != '/')
		return 0;
	return enter(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
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
walk_rest(struct walk *walk)
{
	char name[NAME_MAX + 1];
	struct stat st;
	bool last;
	int fd;

	while (next_name(walk, name, &last)) {
		if (fstatat(walk->at, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			return -1;
		if (S_ISLNK(st.st_mode)) {
			look_at(walk, &st, name);
			if (follow(walk, name) == -1)
				return -1;
			continue;
		}
		if (!last) {
			fd = openat(walk->at, name,
			    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (enter(walk, fd) == -1)
				return -1;
			continue;
		}
		fd = open_file(walk->at, name, O_NOFOLLOW);
		if (fd == -1)
			return -1;
		if (fstat(fd, &st) == -1) {
			close(fd);
			return -1;
		}
		look_at(walk, &st, name);
		return fd;
	}
	/* The path ends with a slash, or is "/". */
	return open_file(walk->at, ".", 0);
}

int
trusted_path_open(const char *path, const struct trusted_users *users,
    struct error *doubt)
{
	struct walk walk = { path, users, doubt, -1, NULL, 0 };
	char *here = NULL;
	int fd = -1, saved;

	doubt->text[0] = '\0';
	/* What lies above the working directory counts as well. */
	if (path[0] != '/' && (here = getcwd(NULL, 0)) == NULL)
		return -1;
	if (asprintf(&walk.rest, "%s/%s", here != NULL ? here : "", path) == -1)
		walk.rest = NULL;
	else if (enter(&walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) == 0)
		fd = walk_rest(&walk);
	saved = errno;
	if (walk.at != -1)
		close(walk.at);
	free(walk.rest);
	free(here);
	errno = saved;
	return fd;
}

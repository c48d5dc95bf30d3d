/* config_file.c: reads a file as a whole, with a limit. */

#include "reader/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/open_file.h"
#include "base/trusted_path.h"

static int
check(int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return error_sys(err, "cannot stat it");
	if (S_ISDIR(st.st_mode))
		return error_set(err, "is a directory, not a file");
	if (!S_ISREG(st.st_mode))
		return error_set(err, "is not a regular file");
	if (st.st_size > CONFIG_FILE_MAX)
		return error_set(err,
		    "has %lld bytes, and a configuration file may have at most "
		    "%d",
		    (long long)st.st_size, CONFIG_FILE_MAX);
	return 0;
}

/* st_size may be wrong (/proc has files of size 0): read to the end. */
static ssize_t
read_all(int fd, char *buf, size_t room)
{
	size_t len = 0;
	ssize_t n;

	while (len < room) {
		n = read(fd, buf + len, room - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int
config_file_open(const char *path, struct error *doubt)
{
	/*
	 * Not the workers' user: a configuration can make plugins run as root.
	 */
	static const struct trusted_users only_root = { { 0, 0 } };
	int fd;

	doubt->text[0] = '\0';
	/* Other users risk nothing but what they have. */
	if (geteuid() != 0)
		return open_file(AT_FDCWD, path, 0);
	fd = trusted_path_open(path, &only_root, doubt);
	if (fd == -1) {
		doubt->text[0] = '\0';
	} else if (doubt->text[0] != '\0') {
		close(fd);
		return -1;
	}
	return fd;
}

/* "-", or what a shell puts in the place of <(command). */
static bool
is_descriptor(const char *path)
{
	return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0 ||
	    strncmp(path, "/dev/fd/", strlen("/dev/fd/")) == 0 ||
	    strncmp(path, "/proc/self/fd/", strlen("/proc/self/fd/")) == 0;
}

char *
config_file_read(const char *path, size_t *ret_len, struct error *err)
{
	char *text = NULL;
	ssize_t len;
	int fd;

	if (is_descriptor(path)) {
		error_set(err,
		    "is an open file of one process only, and each reload "
		    "reads the configuration anew; write it to a file, and "
		    "name that");
		return NULL;
	}
	fd = config_file_open(path, err);
	if (fd == -1) {
		if (err->text[0] == '\0')
			error_sys(err, "cannot open the file");
		return NULL;
	}
	if (check(fd, err) == -1)
		goto fail;
	text = malloc(CONFIG_FILE_MAX + 2);
	if (text == NULL) {
		error_sys(err, "cannot read it");
		goto fail;
	}
	len = read_all(fd, text, CONFIG_FILE_MAX + 1);
	if (len == -1) {
		error_sys(err, "cannot read it");
		goto fail;
	}
	if (len > CONFIG_FILE_MAX) {
		error_set(err,
		    "has more than the %d bytes that a configuration file may "
		    "have",
		    CONFIG_FILE_MAX);
		goto fail;
	}
	close(fd);
	/* Some editors begin a file with a byte order mark. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		memmove(text, text + 3, (size_t)(len -= 3));
	text[len] = '\0';
	*ret_len = (size_t)len;
	return text;
fail:
	free(text);
	close(fd);
	return NULL;
}

char *
config_file_path(const char *config, const char *path)
{
	const char *slash = strrchr(config, '/');
	char *joined;

	if (path[0] == '/' || slash == NULL)
		return strdup(path);
	if (asprintf(&joined, "%.*s/%s", (int)(slash - config), config, path) ==
	    -1)
		return NULL;
	return joined;
}

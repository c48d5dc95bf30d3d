/* plugin_copies.c: copies of loaded plugins for debuggers. */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memfd.h"
#include "base/open_file.h"
#include "config/settings.h"
#include "image/image.h"
#include "reader/plugin_files.h"
#include "reader/problems.h"

#define SHORT_BYTES 4	  /* of a hash: as image_short_hash() */
#define COMPARE_SIZE 4096 /* on the stack, twice */

/* Write a new file and rename it, since a debugger may read it at any time. */
static int
copy_image(const struct image *image, const char *path)
{
	char *temporary;
	int fd, saved, result = -1;

	if (asprintf(&temporary, "%s.XXXXXX", path) == -1)
		return -1;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd == -1)
		goto out;
	if (memfd_copy(image->fd, (size_t)image->size, fd) == 0 &&
	    fchmod(fd, 0644) == 0 && rename(temporary, path) == 0)
		result = 0;
	saved = errno;
	close(fd);
	if (result == -1)
		unlink(temporary);
	errno = saved;
out:
	free(temporary);
	return result;
}

/* Does the file have the bytes of the image? */
static bool
holds(const char *path, const struct image *image)
{
	int file = open_file(AT_FDCWD, path, 0);
	char ours[COMPARE_SIZE], theirs[COMPARE_SIZE];
	off_t at = 0;
	struct stat st;
	ssize_t n = 1;

	if (file == -1)
		return false;
	if (fstat(file, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != image->size)
		n = -1;
	while (n > 0) {
		n = pread(file, theirs, sizeof(theirs), at);
		if (n > 0 &&
		    (pread(image->fd, ours, (size_t)n, at) != n ||
			memcmp(ours, theirs, (size_t)n) != 0))
			n = -1;
		if (n > 0)
			at += n;
	}
	close(file);
	return n == 0 && (uint64_t)at == image->size;
}

/*
 * "/usr/lib/sluice/echo.so" of hash 1a2b... to "COPIES/echo.1a2b3c4d.so", with
 * that many bytes of the hash.
 */
static char *
copy_path(const struct settings *settings, const struct image_settings *image,
    size_t bytes)
{
	const char *slash = strrchr(image->path, '/');
	const char *name = slash != NULL ? slash + 1 : image->path;
	const char *dot = strrchr(name, '.');
	char hash[2 * IMAGE_HASH_SIZE + 1], *path;
	size_t len = strlen(name);

	if (dot != NULL && strcmp(dot, ".so") == 0)
		len = (size_t)(dot - name);
	for (size_t i = 0; i < bytes; i++)
		snprintf(hash + 2 * i, 3, "%02x", image->hash[i]);
	if (asprintf(&path, "%s/%.*s.%s.so", settings->plugin_copies, (int)len,
		name, hash) == -1)
		return NULL;
	return path;
}

/*
 * The short hash in the name is for people.  If another file has it, that may
 * be a copy which somebody still needs, so ours gets a longer name.
 * *ret_there: the copy is there already.
 */
static char *
free_path(const struct settings *settings, uint32_t index,
    const struct image *image, struct problems *problems, bool *ret_there)
{
	const struct image_settings *named = &settings->images[index];
	char *path = copy_path(settings, named, SHORT_BYTES), *longer;

	*ret_there = path != NULL && holds(path, image);
	if (path == NULL || *ret_there || access(path, F_OK) == -1)
		return path;
	longer = copy_path(settings, named, IMAGE_HASH_SIZE);
	if (longer != NULL) {
		problem_warn(problems, &settings->plugin_copies_origin,
		    "plugin_copies: \"%s\" is not a copy of %s, whose copy is "
		    "\"%s\"; remove the first if nobody needs it",
		    path, named->path, longer);
		*ret_there = holds(longer, image);
	}
	free(path);
	return longer;
}

void
plugin_files_copy(const struct settings *settings,
    const struct plugin_files *files, struct problems *problems)
{
	const struct origin *at = &settings->plugin_copies_origin;
	char *path;
	bool there;

	if (settings->plugin_copies == NULL)
		return;
	for (uint32_t i = 0; i < files->count; i++) {
		path =
		    free_path(settings, i, &files->images[i], problems, &there);
		if (path == NULL)
			return;
		if (!there && copy_image(&files->images[i], path) == -1)
			problem_warn(problems, at,
			    "plugin_copies: cannot write \"%s\": %s", path,
			    error_text(errno));
		free(path);
	}
}

/* plugin_copies.c: copies of loaded plugins for debuggers. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "config/settings.h"
#include "image/image.h"
#include "reader/plugin_files.h"
#include "reader/problems.h"

static int
copy_bytes(const struct image *image, int to)
{
	off_t offset = 0;
	ssize_t n;

	while ((uint64_t)offset < image->size) {
		n = sendfile(to, image->fd, &offset,
		    (size_t)(image->size - (uint64_t)offset));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
	}
	return 0;
}

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
	if (copy_bytes(image, fd) == 0 && fchmod(fd, 0644) == 0 &&
	    rename(temporary, path) == 0)
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

/* "/usr/lib/sluice/echo.so" of hash 1a2b... to "COPIES/echo.1a2b3c4d.so". */
static char *
copy_path(const struct settings *settings, const struct image_settings *image)
{
	const char *slash = strrchr(image->path, '/');
	const char *name = slash != NULL ? slash + 1 : image->path;
	const char *dot = strrchr(name, '.');
	size_t len = strlen(name);
	char hash[9], *path;

	if (dot != NULL && strcmp(dot, ".so") == 0)
		len = (size_t)(dot - name);
	if (asprintf(&path, "%s/%.*s.%s.so", settings->plugin_copies, (int)len,
		name, image_short_hash(image->hash, hash)) == -1)
		return NULL;
	return path;
}

void
plugin_files_copy(const struct settings *settings,
    const struct plugin_files *files, struct problems *problems)
{
	const struct origin *at = &settings->plugin_copies_origin;
	char *path;

	if (settings->plugin_copies == NULL)
		return;
	for (uint32_t i = 0; i < files->count; i++) {
		path = copy_path(settings, &settings->images[i]);
		if (path == NULL)
			return;
		/* The hash is in the name, so an existing file is the same. */
		if (access(path, F_OK) == -1 &&
		    copy_image(&files->images[i], path) == -1)
			problem_warn(problems, at,
			    "plugin_copies: cannot write \"%s\": %s", path,
			    error_text(errno));
		free(path);
	}
}

/*
 * secret_files.c: reads the bytes directly into the memory of the secret, never
 * through stdio or a buffer on the stack.
 */

#include "reader/secret_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/open_file.h"
#include "config/secret.h"
#include "config/settings.h"

static int
check(int file, struct stat *ret, struct error *err)
{
	if (fstat(file, ret) == -1)
		return error_sys(err, "cannot stat it");
	if (!S_ISREG(ret->st_mode))
		return error_set(err, "is not a regular file");
	if (ret->st_size == 0)
		return error_set(err, "is empty");
	if (ret->st_size > SECRET_SIZE_MAX)
		return error_set(err, "has %lld bytes, and may have at most %d",
		    (long long)ret->st_size, SECRET_SIZE_MAX);
	return 0;
}

/* Read all of the file, as far as there is room. */
static int
fill(struct secret *secret, int file, struct error *err)
{
	ssize_t n;

	while (secret->len < secret->room) {
		n = read(file, secret->bytes + secret->len,
		    secret->room - secret->len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return error_sys(err, "cannot read it");
		if (n == 0)
			break;
		secret->len += (size_t)n;
	}
	return 0;
}

static struct secret *
copy(int file, struct error *err)
{
	struct secret *secret;
	struct stat st;

	if (check(file, &st, err) == -1)
		return NULL;
	/* One more byte than the size, to notice a file that has grown. */
	secret = secret_new((size_t)st.st_size + 1);
	if (secret == NULL) {
		error_sys(err, "cannot read it");
		return NULL;
	}
	if (fill(secret, file, err) == 0) {
		if (secret->len == (size_t)st.st_size)
			return secret;
		error_set(err,
		    "changed while it was read; write a new file and rename "
		    "it into place");
	}
	secret_free(secret);
	return NULL;
}

struct secret *
secret_file_read(const char *path, struct error *err)
{
	struct secret *secret;
	int file;

	file = open_file(AT_FDCWD, path, 0);
	if (file == -1) {
		error_sys(err, "cannot open the file");
		return NULL;
	}
	secret = copy(file, err);
	close(file);
	return secret;
}

/* Of an open one, which is the files' from then on.  0, or -1 with errno. */
static int
keep(struct secret_files *files, int fd)
{
	int *larger;

	larger = reallocarray(files->fds, files->count + 1, sizeof(*larger));
	if (larger == NULL)
		return -1;
	files->fds = larger;
	files->fds[files->count++] = fd;
	return 0;
}

int
secret_files_add(struct secret_files *files, struct settings *settings,
    const struct secret *secret, const char *path, const struct origin *origin,
    const uint64_t stamp[2], uint32_t *ret_index, struct error *err)
{
	struct secret_settings *added;
	int fd;

	if (settings->secret_count == SECRETS_MAX)
		return error_set(err, "more than %d keys of all listeners",
		    SECRETS_MAX);
	fd = secret_seal(secret, err);
	if (fd == -1)
		return -1;
	if (keep(files, fd) == -1) {
		close(fd);
		return error_set(err, "out of memory");
	}
	added = settings_add_secret(settings);
	if (added == NULL)
		return error_set(err, "out of memory");
	*ret_index = settings->secret_count - 1;
	added->origin = *origin;
	memcpy(added->stamp, stamp, sizeof(added->stamp));
	added->path = strdup(path);
	return added->path != NULL ? 0 : error_set(err, "out of memory");
}

void
secret_files_close(struct secret_files *files)
{
	for (uint32_t i = 0; i < files->count; i++)
		close(files->fds[i]);
	free(files->fds);
}

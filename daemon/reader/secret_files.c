/*
 * secret_files.c: reads the bytes directly into the memory of the secret, never
 * through stdio or a buffer on the stack.
 */

#include "reader/secret_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "config/secret.h"
#include "config/settings.h"
#include "reader/problems.h"

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
		return error_set(err,
		    "has %lld bytes, and a secret may have at most %d",
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

/* A sealed memfd, or -1. */
static int
copy(int file, uint64_t stamp[2], struct error *err)
{
	struct secret *secret;
	struct stat st;
	int fd = -1;

	if (check(file, &st, err) == -1)
		return -1;
	/* One more byte than the size, to notice a file that has grown. */
	secret = secret_new((size_t)st.st_size + 1);
	if (secret == NULL)
		return error_sys(err, "cannot read it");
	if (fill(secret, file, err) == -1)
		;
	else if (secret->len != (size_t)st.st_size)
		error_set(err,
		    "changed while it was read; write a new file and rename "
		    "it into place");
	else
		fd = secret_seal(secret, err);
	secret_free(secret);
	stamp[0] = st.st_ino;
	stamp[1] = (uint64_t)st.st_ctim.tv_sec * 1000000000 +
	    (uint64_t)st.st_ctim.tv_nsec;
	return fd;
}

static int
open_secret(struct secret_settings *secret, struct error *err)
{
	int file, fd;

	/* O_NONBLOCK: a FIFO must not hold us up. */
	file = open(secret->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file == -1)
		return error_sys(err, "cannot open the file");
	fd = copy(file, secret->stamp, err);
	close(file);
	return fd;
}

void
secret_files_open(struct settings *settings, struct problems *problems,
    struct secret_files *ret)
{
	struct secret_settings *secret;
	struct error err;

	ret->fds = calloc(settings->secret_count + 1, sizeof(*ret->fds));
	if (ret->fds == NULL) {
		problem_error(problems, NULL, "out of memory");
		return;
	}
	for (uint32_t i = 0; i < settings->secret_count; i++) {
		secret = &settings->secrets[i];
		settings_add_source(settings, secret->path, false);
		ret->fds[i] = open_secret(secret, &err);
		if (ret->fds[i] == -1)
			problem_error(problems, &secret->origin, "%s: %s",
			    secret->path, err.text);
		ret->count = i + 1;
	}
}

void
secret_files_close(struct secret_files *files)
{
	for (uint32_t i = 0; i < files->count; i++)
		if (files->fds[i] != -1)
			close(files->fds[i]);
	free(files->fds);
}

/*
 * secret.c: each secret has a mapping of its own, since the kernel protects
 * whole pages.
 */

#include "config/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memfd.h"

/* -1: errno. */
static int
protect(void *bytes, size_t room)
{
	if (madvise(bytes, room, MADV_DONTDUMP) == -1 ||
	    madvise(bytes, room, MADV_WIPEONFORK) == -1)
		return -1;
	/* mlock(2) is limited; if it fails the other protections still hold. */
	(void)mlock(bytes, room);
	return 0;
}

struct secret *
secret_new(size_t room)
{
	struct secret *secret = calloc(1, sizeof(*secret));
	void *bytes;
	int saved;

	if (secret == NULL)
		return NULL;
	bytes = mmap(NULL, room, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes != MAP_FAILED) {
		secret->bytes = bytes;
		secret->room = room;
		if (protect(bytes, room) == 0)
			return secret;
	}
	saved = errno;
	secret_free(secret);
	errno = saved;
	return NULL;
}

void
secret_free(struct secret *secret)
{
	if (secret == NULL)
		return;
	if (secret->bytes != NULL) {
		explicit_bzero(secret->bytes, secret->room);
		munmap(secret->bytes, secret->room);
	}
	free(secret);
}

int
secret_seal(const struct secret *secret, struct error *err)
{
	int fd = memfd_new("sluice-secret", false);

	if (fd == -1)
		return error_sys(err, "cannot make a memfd for a secret");
	/*
	 * At first everybody may read a memfd.  This mode decides who can open
	 * it through /proc.
	 */
	if (fchmod(fd, S_IRUSR) == 0 &&
	    memfd_append(fd, secret->bytes, secret->len) == 0 &&
	    memfd_seal(fd) == 0)
		return fd;
	error_sys(err, "cannot fill the memfd of a secret");
	close(fd);
	return -1;
}

struct secret *
secret_read(int fd, struct error *err)
{
	struct secret *secret;
	struct stat st;

	if (!memfd_is_sealed(fd) || fstat(fd, &st) == -1) {
		error_set(err, "a secret is not in a sealed memfd");
		return NULL;
	}
	if (st.st_size < 1 || st.st_size > SECRET_SIZE_MAX) {
		error_set(err, "a secret cannot have %lld bytes",
		    (long long)st.st_size);
		return NULL;
	}
	secret = secret_new((size_t)st.st_size);
	if (secret != NULL &&
	    memfd_read(fd, secret->bytes, secret->room, 0) == 0) {
		secret->len = secret->room;
		return secret;
	}
	error_sys(err, "cannot read a secret");
	secret_free(secret);
	return NULL;
}

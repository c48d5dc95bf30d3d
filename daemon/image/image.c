/* image.c: copy, hash and seal a plugin file. */

#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memfd.h"
#include "base/open_file.h"
#include "image/elf_check.h"

#define COPY_SIZE (256 << 10) /* few calls, and little memory */

static int
check_file(const char *path, const struct stat *st, struct error *err)
{
	if (S_ISDIR(st->st_mode))
		return error_set(err, "%s: is a directory, not a plugin", path);
	if (!S_ISREG(st->st_mode))
		return error_set(err, "%s: is not a regular file", path);
	if (st->st_size == 0)
		return error_set(err, "%s: is empty", path);
	if (st->st_size > IMAGE_SIZE_MAX)
		return error_set(err,
		    "%s: has %lld bytes, and a plugin may have at most %u",
		    path, (long long)st->st_size, IMAGE_SIZE_MAX);
	return 0;
}

/*
 * Are the bytes still the same?  st_ctime also notices a writer that sets
 * st_mtime back.  But it changes without new bytes, too: when the file gets
 * another owner, or when another file is renamed over it.
 */
static bool
same_bytes(const struct stat *a, const struct stat *b)
{
	if (a->st_size != b->st_size ||
	    a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	    a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
		return false;
	/*
	 * A change of links, mode or owner explains a new st_ctime.  If no link
	 * is left, that change may have been under way at our first look.
	 */
	if (b->st_nlink == 0 || a->st_nlink != b->st_nlink ||
	    a->st_mode != b->st_mode || a->st_uid != b->st_uid ||
	    a->st_gid != b->st_gid)
		return true;
	return a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Copy all of file to image->fd and hash it on the way. */
static int
copy(const char *path, int file, struct image *image, EVP_MD_CTX *hash,
    struct error *err)
{
	char *buf = malloc(COPY_SIZE);
	int result = -1;
	ssize_t n;

	if (buf == NULL)
		return error_sys(err, "%s", path);
	image->size = 0;
	for (;;) {
		n = read(file, buf, COPY_SIZE);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		image->size += (uint64_t)n;
		if (image->size > IMAGE_SIZE_MAX) {
			error_set(err, "%s: grew while it was read", path);
			goto out;
		}
		if (EVP_DigestUpdate(hash, buf, (size_t)n) != 1) {
			error_set(err, "%s: libcrypto cannot hash", path);
			goto out;
		}
		if (memfd_append(image->fd, buf, (size_t)n) == -1) {
			error_sys(err, "%s: cannot copy", path);
			goto out;
		}
	}
	if (n == -1)
		error_sys(err, "%s: cannot read", path);
	else
		result = 0;
out:
	free(buf);
	return result;
}

static int
copy_and_hash(const char *path, int file, struct image *image,
    struct error *err)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	int result = -1;

	if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
		error_set(err, "%s: libcrypto has no SHA-256", path);
	else if (copy(path, file, image, hash, err) == -1)
		;
	else if (EVP_DigestFinal_ex(hash, image->hash, NULL) != 1)
		error_set(err, "%s: libcrypto cannot hash", path);
	else
		result = 0;
	EVP_MD_CTX_free(hash);
	return result;
}

/*
 * Is the file unchanged?  While another file is being renamed over it, fstat(2)
 * may return the new st_ctime with the old number of links.  A moment later
 * both are new, and then the file counts as unchanged.
 */
static int
look_again(const char *path, int file, const struct stat *before,
    bool *ret_same, struct error *err)
{
	static const struct timespec moment = { 0, 1000000 };
	struct stat after;

	if (fstat(file, &after) == -1)
		return error_sys(err, "%s", path);
	*ret_same = same_bytes(before, &after);
	if (*ret_same)
		return 0;
	nanosleep(&moment, NULL);
	if (fstat(file, &after) == -1)
		return error_sys(err, "%s", path);
	*ret_same = same_bytes(before, &after);
	return 0;
}

/* Refuse a copy that is half of one version and half of the next. */
static int
copy_whole(const char *path, int file, struct image *image, struct error *err)
{
	struct stat before;
	bool same;

	if (fstat(file, &before) == -1)
		return error_sys(err, "%s", path);
	if (check_file(path, &before, err) == -1 ||
	    copy_and_hash(path, file, image, err) == -1 ||
	    look_again(path, file, &before, &same, err) == -1)
		return -1;
	if (!same || image->size != (uint64_t)before.st_size)
		return error_set(err,
		    "%s: changed while it was read; write a new file and "
		    "rename it into place",
		    path);
	return 0;
}

static int
new_memfd(const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[200]; /* the kernel takes 249 */

	/* This is what debuggers and /proc/PID/maps show. */
	snprintf(name, sizeof(name), "%s", slash != NULL ? slash + 1 : path);
	return memfd_new(name, true);
}

int
image_copy(int file, const char *path, struct image *ret, struct error *err)
{
	struct image image = { .fd = -1 };

	image.fd = new_memfd(path);
	if (image.fd == -1 && errno == EACCES)
		return error_set(err,
		    "%s: the kernel refuses a memfd that may be executed; set "
		    "the sysctl vm.memfd_noexec to 1 or 0",
		    path);
	if (image.fd == -1)
		return error_sys(err, "%s: cannot make a memfd", path);
	if (copy_whole(path, file, &image, err) == -1 ||
	    elf_check(path, image.fd, image.size, err) == -1)
		goto fail;
	if (memfd_seal(image.fd) == -1) {
		error_sys(err, "%s: cannot seal the copy", path);
		goto fail;
	}
	*ret = image;
	return 0;
fail:
	image_close(&image);
	return -1;
}

int
image_open(const char *path, struct image *ret, struct error *err)
{
	int file = open_file(AT_FDCWD, path, 0), result;

	if (file == -1)
		return error_sys(err, "%s", path);
	result = image_copy(file, path, ret, err);
	close(file);
	return result;
}

int
image_hash_add(uint8_t hash[IMAGE_HASH_SIZE], const char *name,
    const uint8_t more[IMAGE_HASH_SIZE])
{
	EVP_MD_CTX *both = EVP_MD_CTX_new();
	int result = -1;

	if (both != NULL && EVP_DigestInit_ex(both, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(both, hash, IMAGE_HASH_SIZE) == 1 &&
	    EVP_DigestUpdate(both, name, strlen(name) + 1) == 1 &&
	    EVP_DigestUpdate(both, more, IMAGE_HASH_SIZE) == 1 &&
	    EVP_DigestFinal_ex(both, hash, NULL) == 1)
		result = 0;
	EVP_MD_CTX_free(both);
	return result;
}

void
image_close(struct image *image)
{
	if (image->fd != -1)
		close(image->fd);
	image->fd = -1;
}

const char *
image_short_hash(const uint8_t hash[IMAGE_HASH_SIZE], char text[9])
{
	snprintf(text, 9, "%02x%02x%02x%02x", hash[0], hash[1], hash[2],
	    hash[3]);
	return text;
}

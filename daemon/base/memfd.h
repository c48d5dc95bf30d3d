/* memfd.h: files in memory that nobody can change any more. */

#ifndef SLUICE_MEMFD_H
#define SLUICE_MEMFD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Make an empty memfd, CLOEXEC, that allows seals.  code: it may be mapped
 * executable.  -1: errno.
 */
int memfd_new(const char *name, bool code);

/* Write all of buf at the end.  0, or -1 with errno. */
int memfd_append(int fd, const void *buf, size_t len);

/* Seal it against all changes, for ever.  0, or -1 with errno. */
int memfd_seal(int fd);

/* Has it these seals?  If so, that is certain, whoever made the memfd. */
bool memfd_is_sealed(int fd);

/* Read len bytes at offset.  0, or -1 with errno; EIO when there are fewer. */
int memfd_read(int fd, void *buf, size_t len, off_t offset);

/*
 * Copy its `size` bytes to another file, from there where that stands.  0, or -1
 * with errno; EIO when there are fewer.
 */
int memfd_copy(int fd, size_t size, int to);

/* Write all of buf over what is at offset.  0, or -1 with errno. */
int memfd_write(int fd, const void *buf, size_t len, off_t offset);

#endif

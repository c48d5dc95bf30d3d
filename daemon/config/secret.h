/*
 * secret.h: bytes that only workers get, such as a private key.  They travel in
 * sealed memfds of their own, which nobody maps, and are used in memory that
 * core dumps and forked processes do not have.
 */

#ifndef SLUICE_SECRET_H
#define SLUICE_SECRET_H

#include <stddef.h>

struct error;

#define SECRET_SIZE_MAX (1 << 20) /* far above any key with its chain */

/*
 * Never in a core dump, zeros in a child that is forked, not swapped out while
 * RLIMIT_MEMLOCK allows.
 */
struct secret {
	char *bytes; /* len of them are filled; no NUL follows */
	size_t len, room;
};

/* Empty, with room for `room` bytes; owned by the caller.  NULL: errno. */
struct secret *secret_new(size_t room);

/* The bytes are wiped.  NULL is fine. */
void secret_free(struct secret *secret);

/*
 * A sealed memfd with its bytes (CLOEXEC), which nobody but its owner may open
 * anew through /proc; owned by the caller.  -1: err.
 */
int secret_seal(const struct secret *secret, struct error *err);

/* Read one from such a memfd, which stays the caller's.  NULL: err. */
struct secret *secret_read(int fd, struct error *err);

#endif

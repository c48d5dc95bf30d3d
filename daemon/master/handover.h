/*
 * handover.h: what a master leaves to the program that is executed in its
 * place: bytes in a sealed memfd, and descriptors that stay open under their
 * numbers.  Both sides go through the same parts in the same order.
 */

#ifndef SLUICE_MASTER_HANDOVER_H
#define SLUICE_MASTER_HANDOVER_H

#include <stdbool.h>

#include "base/pack.h"

struct error;
struct stat;
struct unix_rights;

/*
 * What the two programs have to agree on.  Add one whenever any module packs
 * something else.  No struct is packed as it is, so that the compiler cannot
 * change it.
 */
#define HANDOVER_FORMAT 5

/* Of the master that leaves. */
struct handover {
	struct packer packer;
	int *fds; /* borrowed */
	unsigned int count, room;
};

/* Its descriptor is to stay open; -1: there is none. */
void handover_fd(struct handover *handover, int fd);
/* What is known of the path of a unix socket. */
void handover_path(struct handover *handover, const struct stat *bound,
    const struct unix_rights *rights);
/* All bytes, in a sealed memfd; -1: errno; EFBIG: taken_open() refuses it. */
int handover_seal(struct handover *handover);
/*
 * Are all descriptors to stay open over exec, or not?  Without CLOEXEC a child
 * that is started meanwhile has them until its own exec.
 */
void handover_keep(const struct handover *handover, bool keep);
void handover_done(struct handover *handover);

/* The program that comes: of what it was left. */
struct taken {
	struct unpacker unpacker;
	char *data;
};

/*
 * Is there something for us?  To be called before a descriptor is opened that
 * could take the number of one of these.  1; 0: no; -1: it is not what we
 * expect, and err says why.
 */
int taken_open(struct taken *taken, struct error *err);
/* The next descriptor; -1: there is none.  Owned. */
int taken_fd(struct taken *taken);
/* Of *ret_bound what bind.h looks at; the rest is zero. */
void taken_path(struct taken *taken, struct stat *ret_bound,
    struct unix_rights *ret_rights);
void taken_close(struct taken *taken);

/* Have the next program find it.  0 or -1. */
int handover_announce(int memfd);
void handover_take_back(void);

#endif

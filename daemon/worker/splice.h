/*
 * splice.h: bytes from one plain stream to another inside the kernel.  They go
 * through a pipe, and what the second socket does not take stays there: then the
 * second stream has a transport that owns the pipe until it is empty.
 */

#ifndef SLUICE_SPLICE_H
#define SLUICE_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream;

/* Can these two be spliced?  `to` must have nothing unsent. */
bool splice_can(const struct stream *from, const struct stream *to);

/*
 * Move up to len bytes.  Returns as recv() of `from`: the number of bytes, 0 at
 * the end of its input, or -1; EMFILE and the like if there is no pipe.  They
 * count as taken by `to`, whose `unsent` are those that the kernel has not taken
 * yet.  *ret_error says why it has not: as errno after send(), or 0.
 */
ssize_t splice_move(struct stream *from, struct stream *to, size_t len,
    int *ret_error);

/* Did it fail for want of a pipe, so that recv() would not? */
bool splice_is_refused(int error);

/* Close the pipe that is kept for the next time. */
void splice_done(void);

#endif

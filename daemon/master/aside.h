/*
 * aside.h: the last reference of a descriptor that others had a hand in.  What
 * they did may make close(2) wait as long as they like: SO_LINGER and a full
 * send queue, or such a descriptor in a message that nobody has read.  The
 * master does not wait.
 */

#ifndef SLUICE_MASTER_ASIDE_H
#define SLUICE_MASTER_ASIDE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Nobody can send descriptors to this unix socket, nor to those accepted from
 * it.  Where the kernel does not know how (before Linux 6.16), they come.
 */
void aside_refuse(int fd);

/* As close(2).  It is done when this returns, unless it takes long. */
void aside_close(int fd);

/*
 * The same for a socket that is nobody else's: of a connection that was
 * accepted here, or where they come in.  There may be many, so it may be done
 * later.
 */
void aside_drop(int fd);

/* As recv(2), without waiting; descriptors that come along are closed. */
ssize_t aside_recv(int fd, void *buf, size_t room);

#endif

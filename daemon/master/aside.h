/*
 * aside.h: closing the last reference of a descriptor that other processes have
 * held.  They may have made close(2) wait for as long as they like, by
 * SO_LINGER and a full send queue, or by such a descriptor in a message that
 * nobody has read.  The master does not wait.
 */

#ifndef SLUICE_MASTER_ASIDE_H
#define SLUICE_MASTER_ASIDE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Nobody can send descriptors to this unix socket, nor to those accepted from
 * it.  Before Linux 6.16 the kernel cannot refuse them, and they arrive.
 */
void aside_refuse(int fd);

/*
 * As close(2).  It is closed when this returns, unless that takes long; then a
 * thread closes it.
 */
void aside_close(int fd);

/*
 * The same for a socket that no other process has: an accepted connection, or
 * the socket that accepts them.  There may be many of them, so closing may be
 * put off.
 */
void aside_drop(int fd);

/* As recv(2), without waiting; descriptors that come along are closed. */
ssize_t aside_recv(int fd, void *buf, size_t room);

#endif

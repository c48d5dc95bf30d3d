/*
 * aside.h: closing descriptors that other processes have held.  Such a process
 * can make close(2) of the last reference take as long as it likes: by
 * SO_LINGER and a full send queue, or by such a descriptor in a message that is
 * never read.  The master does not wait for that.
 */

#ifndef SLUICE_MASTER_ASIDE_H
#define SLUICE_MASTER_ASIDE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Refuse descriptors that are sent to this unix socket, or to those accepted
 * from it.  Before Linux 6.16 the kernel cannot refuse them, so they arrive.
 */
void aside_refuse(int fd);

/*
 * As close(2).  If closing takes long, this returns earlier, and a thread
 * finishes it.
 */
void aside_close(int fd);

/*
 * The same for a socket that no other process has: an accepted connection, or
 * the listening socket.  There may be many of them, so this never waits: a
 * thread may close it later.
 */
void aside_drop(int fd);

/* As recv(2), without waiting; descriptors that come along are closed. */
ssize_t aside_recv(int fd, void *buf, size_t room);

#endif

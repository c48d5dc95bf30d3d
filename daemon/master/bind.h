/* bind.h: making one listening socket, of each kind, up to its bind(2). */

#ifndef SLUICE_MASTER_BIND_H
#define SLUICE_MASTER_BIND_H

#include <stdbool.h>
#include <sys/stat.h>

struct address;
struct error;
struct unix_rights;

/*
 * All return a non-blocking CLOEXEC socket, owned by the caller, or -1 with a
 * sentence in err.  Where IPv6 is off, *:port is IPv4 only.
 */

/*
 * A member of the address's SO_REUSEPORT group.  If it joins, the other members
 * are ours; if not, the address must be free, and others can join only after
 * bind_share().  port_is_ours: another address with that port is ours, so only
 * the kernel can tell whether the two may coexist.
 */
int bind_tcp(const struct address *address, bool joins, bool port_is_ours,
    struct error *err);
/* When it listens: from here on others may join.  0, or -1 with errno. */
int bind_share(int fd);

/*
 * A path.  A socket there that no process listens on is replaced.  The new one
 * listens already, so that it is not taken for such a one.  *ret_stat
 * identifies the new socket: see bind_unix_ours().  Its owner and mode are those
 * that a socket has there when `rights` say nothing.
 */
int bind_unix(const struct address *address, const struct unix_rights *rights,
    struct stat *ret_stat, struct error *err);

int bind_abstract(const struct address *address, struct error *err);

/*
 * An O_PATH descriptor of the path, owned by the caller, if the path still is
 * the socket that was bound; else -1.
 */
int bind_unix_ours(const struct address *address, const struct stat *bound);

/* Is the path still that socket?  Also true when it cannot be examined. */
bool bind_unix_is_there(const struct address *address,
    const struct stat *bound);

/*
 * What to set when `before` were set and `now` are asked for: what is asked for
 * no more becomes what it was at first.
 */
void bind_unix_given_up(const struct unix_rights *before,
    const struct unix_rights *now, const struct stat *bound,
    struct unix_rights *ret);

/* Set mode, owner and group.  0 or -1. */
int bind_unix_rights(int path_fd, const struct unix_rights *rights,
    struct error *err);

#endif

/* spawn.h: fork and exec of this very program in another role. */

#ifndef SLUICE_MASTER_SPAWN_H
#define SLUICE_MASTER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#define SPAWN_FAILED_STATUS 127 /* exec failed */

#define SPAWN_FDS_MAX 3 /* from CHILD_CHANNEL_FD to CHILD_PRINTED_FD */

/*
 * Will plugin code run in this role, or does it read what anybody sends?  Then
 * nothing it says is trusted.
 */
bool spawn_is_untrusted(const char *role);

/*
 * Start `sluiced --child ROLE` with these descriptors as CHILD_CHANNEL_FD and
 * the next ones, and nothing else open but 0 to 2.  Returns its pid, or -1 with
 * errno.
 */
pid_t spawn(const char *role, bool verbose, const int *fds, unsigned int count);

/*
 * fork(2) for a process that goes on with our code: in it signals do what they
 * do in a child, and it has a session of its own.
 */
pid_t spawn_fork(void);

/*
 * Where plugins print in children that are spawned for a log of json, for those
 * that were spawned before.  Borrowed; -1: there is no such process.
 */
int spawn_json_output(void);

#endif

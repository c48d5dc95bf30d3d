/* spawn.h: fork and exec of this very program in another role. */

#ifndef SLUICE_MASTER_SPAWN_H
#define SLUICE_MASTER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#define SPAWN_FAILED_STATUS 127 /* what exits so never ran */

/*
 * Start `sluiced --child ROLE` with channel as CHILD_CHANNEL_FD and nothing
 * else open but 0 to 2.  Returns its pid, or -1 with errno.
 */
pid_t spawn(const char *role, bool verbose, int channel);

#endif

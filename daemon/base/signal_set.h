/*
 * signal_set.h: which signals a process takes.  All are blocked from the first
 * line of main() until their handlers are set, so that no signal ends a process
 * that is still starting.
 */

#ifndef SLUICE_SIGNAL_SET_H
#define SLUICE_SIGNAL_SET_H

/* All that can be blocked. */
void signal_block_all(void);
/* Unblock all, whatever we were started with. */
void signal_unblock_all(void);

/*
 * Ignore the signals that the kernel sends for a failed call, so that the call
 * fails with an errno: EPIPE, EFBIG, EIO.  SIGCHLD gets its default action, so
 * that dead children can be waited for, whatever we were started with.
 */
void signal_ignore_failures(void);

#define SIGNAL_NAME_MAX 16
/* "SIGTERM", "SIGRTMIN+3".  Returns text.  May be called in a handler. */
const char *signal_name(int number, char text[SIGNAL_NAME_MAX]);

#endif

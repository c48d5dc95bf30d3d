/* hangup.h: tells which connections break while they wait for no event. */

#ifndef SLUICE_HANGUP_H
#define SLUICE_HANGUP_H

/*
 * broken(arg) will be called for each socket that breaks; not under a callback.
 * Returns 0, or -1 with errno.
 */
int hangup_init(void (*broken)(void *arg));
void hangup_done(void);

/* Watch this descriptor until hangup_forget().  Returns 0 or -1. */
int hangup_watch(int fd, void *arg);
void hangup_forget(int fd);

#endif

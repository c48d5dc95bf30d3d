/* hangup.h: hears of connections that break while nothing is wanted of them. */

#ifndef SLUICE_HANGUP_H
#define SLUICE_HANGUP_H

/*
 * broken(arg) will be called for each that breaks; not under a callback.
 * Returns 0, or -1 with errno.
 */
int hangup_init(void (*broken)(void *arg));
void hangup_done(void);

/* Hear of this descriptor until it is forgotten.  Returns 0 or -1. */
int hangup_watch(int fd, void *arg);
void hangup_forget(int fd);

#endif

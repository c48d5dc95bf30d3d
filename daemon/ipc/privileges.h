/* privileges.h: a process that meets foreign code or input gives up all its privileges. */

#ifndef SLUICE_PRIVILEGES_H
#define SLUICE_PRIVILEGES_H

struct error;
struct hello;

/*
 * Become the user and group in hello, if it names any, without supplementary
 * groups.  In any case: have no capabilities, set no_new_privs, be not
 * dumpable, and get death_signal when the master dies.  Returns 0, or -1 with
 * err; then the process must not go on.
 */
int privileges_drop(const struct hello *hello, int death_signal,
    struct error *err);

#endif

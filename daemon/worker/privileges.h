/* privileges.h: a process that runs plugin code gives up what it can. */

#ifndef SLUICE_PRIVILEGES_H
#define SLUICE_PRIVILEGES_H

struct error;
struct hello;

/*
 * Become hello's user and group without supplementary groups; in any case
 * without a capability, with no_new_privs, not dumpable, and told by
 * death_signal when the master dies.  0, or -1 with err: then do not go on.
 */
int privileges_drop(const struct hello *hello, int death_signal,
    struct error *err);

#endif

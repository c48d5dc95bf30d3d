/*
 * leaving.h: the end of the daemon, in phases: workers drain, are told to leave
 * now, and are killed.  Each phase has a limit of time; a signal begins the
 * next phase.
 */

#ifndef SLUICE_MASTER_LEAVING_H
#define SLUICE_MASTER_LEAVING_H

#include <stdbool.h>

struct children;
struct event_base;
struct leaving;
struct reload;
struct workers;

/*
 * on_left: there is nothing left to wait for.  It is called from the loop, not
 * from within these calls.  NULL: errno.
 */
struct leaving *leaving_new(struct event_base *base, struct children *children,
    void (*on_left)(void *arg), void *arg);
void leaving_free(struct leaving *leaving);

/*
 * The first call drains, a second one ends at once.  workers may be NULL; both
 * are borrowed until the end.  signal_name is for the log.
 */
void leaving_stop(struct leaving *leaving, struct reload *reload,
    struct workers *workers, const char *signal_name);

/* End at once, without draining. */
void leaving_quit(struct leaving *leaving, struct reload *reload,
    struct workers *workers, const char *signal_name);
bool leaving_begun(const struct leaving *leaving);

#endif

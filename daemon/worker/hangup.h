/* hangup.h: hears of connections that break while nothing is wanted of them. */

#ifndef SLUICE_HANGUP_H
#define SLUICE_HANGUP_H

struct sl_conn;

/* Returns 0, or -1 with errno.  A second time is harmless. */
int hangup_init(void);
void hangup_done(void);

/* Hear of this one until it is forgotten.  Returns 0 or -1. */
int hangup_watch(struct sl_conn *conn);
void hangup_forget(struct sl_conn *conn);

#endif

/*
 * upstreams.h: notes how the connections go that plugins make with sl_connect(),
 * for the master to show: see ipc/upstreams.h.
 */

#ifndef SLUICE_WORKER_UPSTREAMS_H
#define SLUICE_WORKER_UPSTREAMS_H

struct sl_conn;

/* A plugin has just begun to make it.  If there is no place, it is not noted. */
void upstreams_note(struct sl_conn *conn);

/* Forget all.  No connection is left. */
void upstreams_done(void);

#endif

/*
 * tickets.h: the keys for TLS session tickets.  The master makes them, so that
 * all workers have the same ones, also after a reload and after a worker was
 * started again.  They are in memory only and end with the master.
 */

#ifndef SLUICE_MASTER_TICKETS_H
#define SLUICE_MASTER_TICKETS_H

#include <stdint.h>

struct event_base;
struct tickets;

/*
 * on_change is called when there are new keys, which is every 12 hours.  It
 * returns -1 when not all have got them, and is called again a second later.
 * NULL: errno.
 */
struct tickets *tickets_new(struct event_base *base,
    int (*on_change)(void *arg), void *arg);
void tickets_free(struct tickets *tickets); /* NULL is fine */

/*
 * Use these keys from now on, from tickets_fd() of the program before us, so
 * that its sessions go on.  0 or -1.
 */
int tickets_take_over(struct tickets *tickets, int fd);

/* A new key in front; the oldest goes.  The keys stay as they are on failure. */
void tickets_rotate(struct tickets *tickets);

/* Somebody has lost them: call on_change a second from now. */
void tickets_lost(struct tickets *tickets);

/* The first keys are number 1; each change counts. */
uint32_t tickets_number(const struct tickets *tickets);
/* The keys, in a sealed memfd; borrowed until the next change. */
int tickets_fd(const struct tickets *tickets);

#endif

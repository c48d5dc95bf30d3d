/*
 * ours.h: which descriptors belong to the worker.  A plugin may fork.  A child
 * that kept our descriptors would keep connections open that the worker has
 * closed, and addresses in use after the daemon has ended.
 */

#ifndef SLUICE_OURS_H
#define SLUICE_OURS_H

/*
 * All descriptors that are open now are ours, except 0, 1 and 2.  From now on,
 * a forked child closes all that are ours.  Returns 0, or -1 with errno.  In a
 * process that has not called this, ours_add() does nothing and ours_close()
 * only closes.
 */
int ours_init(void);

void ours_add(int fd);
void ours_close(int fd);

#endif

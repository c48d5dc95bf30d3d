/*
 * ours.h: which descriptors are the worker's.  A plugin may fork, and a child
 * that kept them would keep connections open that the worker has closed, and
 * addresses taken when the daemon has left.
 */

#ifndef SLUICE_OURS_H
#define SLUICE_OURS_H

/*
 * All that are open now are ours, but for the first three; from now on, what is
 * forked loses what is ours.  In a process that has not called it, the others
 * only close.  0, or -1 with errno.
 */
int ours_init(void);

void ours_add(int fd);
void ours_close(int fd);

#endif

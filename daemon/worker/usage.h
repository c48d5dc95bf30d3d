/*
 * usage.h: what this worker takes: memory of its heap and descriptors, shown on
 * its row of the board.  Nobody else can tell: the master may not look into the
 * /proc/PID/fd of another user, and only malloc(3) knows its heap.
 */

#ifndef SLUICE_USAGE_H
#define SLUICE_USAGE_H

/* Show it now, and from time to time.  0, or -1 with errno. */
int usage_init(void);
void usage_done(void);

#endif

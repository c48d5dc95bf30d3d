/*
 * crash.h: the last words of a worker.  When it dies by a fault, or is
 * aborted, it leaves on its row of the board what ran, for whom, and a
 * backtrace; then it dies by that very signal.
 */

#ifndef SLUICE_CRASH_H
#define SLUICE_CRASH_H

struct board_row;

/*
 * Handle SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT and SIGSYS, on a stack of
 * their own.  row and master are borrowed for ever.  0, or -1 with errno.
 */
int crash_init(struct board_row *row, int master_pid);

#endif

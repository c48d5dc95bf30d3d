/*
 * crash.h: the crash report of a worker.  A worker that dies by a fault, or is
 * aborted, leaves on its row of the board which callback was running, for which
 * connection, and a backtrace.  Then it dies by that same signal.
 */

#ifndef SLUICE_CRASH_H
#define SLUICE_CRASH_H

struct board_row;

/*
 * Handle SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT and SIGSYS, on a stack of
 * their own.  row is borrowed until the process ends.  Returns 0, or -1 with
 * errno.
 */
int crash_init(struct board_row *row, int master_pid);

#endif

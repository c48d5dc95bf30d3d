/*
 * log_sink.h: writes lines of the log to standard error, without ever waiting
 * for its reader.  A terminal or a socket can return EAGAIN, so it is written
 * to directly, and a line that it does not take is lost.  A file may be on a
 * disk that is slow or hangs, and a pipe has a lock that another process may
 * hold while it waits for memory.  So a thread writes to those, and lines are
 * lost when too many wait for it.
 */

#ifndef SLUICE_LOG_SINK_H
#define SLUICE_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Look at what standard error is now, and open it for ourselves.  What needs a
 * thread is written to directly until log_sink_background() is called.
 */
void log_sink_open(void);

/*
 * From here on a thread may write.  For processes that live long, after they
 * have dropped their privileges, since a thread keeps the privileges it was
 * started with.
 */
void log_sink_background(void);

/* See log_leave_stderr(). */
void log_sink_leave_stderr(int fd);

/*
 * Write a whole line.  weight: how many lines are lost when this one is.  Never
 * waits after log_sink_background().
 */
void log_sink_write(const char *line, size_t length, uint64_t weight);

/*
 * How many lines were lost since the last call, and the errno of the last one.
 * EAGAIN: nobody read the log, or not fast enough.
 */
uint64_t log_sink_take_lost(int *ret_error);

/*
 * Wait up to most_ms until the thread has written all lines.  Also for a
 * handler of a fault.
 */
void log_sink_settle(unsigned int most_ms);

/* The same write from a handler of a fault. */
void log_sink_write_dying(const char *line, size_t length);

#endif

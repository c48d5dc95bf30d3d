/*
 * log_sink.h: writes lines of the log to standard error, or another open file,
 * without ever waiting for its reader.  A terminal or a socket can return EAGAIN, so it is written
 * to directly, and a line that it does not take is lost.  A file may be on a
 * disk that is slow or hangs, and a pipe has a lock that another process may
 * hold while it waits for memory.  So a thread writes to those, and lines are
 * lost when too many wait for it.
 */

#ifndef SLUICE_LOG_SINK_H
#define SLUICE_LOG_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Look at what standard error is now, and open it for ourselves.  What needs a
 * thread is written to directly until log_sink_background() is called.
 */
void log_sink_open(void);

/*
 * Write to this open file instead, which a thread has to do; what waits goes
 * there, too.  fd is owned from here on.
 */
void log_sink_use(int fd);

/* Write nowhere.  For a process that has just been forked, or is about to end. */
void log_sink_close(void);

/*
 * From here on a thread may write.  For processes that live long, after they
 * have dropped their privileges, since a thread keeps the privileges it was
 * started with.
 */
void log_sink_background(void);

/* See log_leave_stderr(). */
void log_sink_leave_stderr(int fd, bool both);

/*
 * Write a whole line.  told: it says that so many were lost, and if it is lost
 * itself they still have to be told; 0: an ordinary line.  Never waits after
 * log_sink_background().
 */
void log_sink_write(const char *line, size_t length, uint64_t told);

/* What this process has lost since it began. */
struct log_loss {
	_Atomic uint64_t lines;
	_Atomic int error; /* errno of the last line; 0: it was written */
};

/*
 * Count there from here on: memory that others read, zero or with what was lost
 * before.  Borrowed until the next call; NULL: in memory that nobody else sees.
 */
void log_sink_show_loss(struct log_loss *where);
const struct log_loss *log_sink_loss(void);

/*
 * How many lines were lost since the last call, and the errno of the last one.
 * EAGAIN: nobody read the log, or not fast enough.
 */
uint64_t log_sink_take_lost(int *ret_error);

/*
 * Wait until there is room for a line, but only once, and for a second, if the
 * file takes nothing.  For a process that has nothing else to do.
 */
void log_sink_await_room(void);

/*
 * Wait up to most_ms until the thread has written all lines.  Also for a
 * handler of a fault.
 */
void log_sink_settle(unsigned int most_ms);

/* The same write from a handler of a fault. */
void log_sink_write_dying(const char *line, size_t length);

#endif

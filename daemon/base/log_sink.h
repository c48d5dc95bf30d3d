/*
 * log_sink.h: where lines of the log go: standard error, whatever that is.
 * No writer waits for a reader.  A terminal or a socket says "not now": it is
 * written to at once, and a line that it does not take is lost.  A file may be
 * on a disk that is slow or hangs, and a pipe has a lock, which another process
 * holds for as long as the memory that it writes from takes to come: a thread
 * writes to those, and lines are lost when too many wait for it.
 */

#ifndef SLUICE_LOG_SINK_H
#define SLUICE_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Look at what standard error is now, and open it for ourselves.  Whatever
 * needs a thread is written to directly until log_sink_background().
 */
void log_sink_open(void);

/*
 * From here on a thread may write.  For processes that live long, once they
 * have given up their rights: a thread keeps what it was started with.
 */
void log_sink_background(void);

/*
 * Write a whole line.  weight: how many lines are lost when this one is.
 * Never waits, once log_sink_background() was called.
 */
void log_sink_write(const char *line, size_t length, uint64_t weight);

/*
 * How many lines were lost since the last call, and the errno of the last;
 * EAGAIN: nobody read.
 */
uint64_t log_sink_take_lost(int *ret_error);

/*
 * Give what waits for the thread so long to be written.  Also for a handler of
 * a fault.
 */
void log_sink_settle(unsigned int most_ms);

/* The same write from a handler of a fault. */
void log_sink_write_dying(const char *line, size_t length);

#endif

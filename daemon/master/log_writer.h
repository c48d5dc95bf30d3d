/*
 * log_writer.h: the log process.  It takes lines from a pipe and writes them to
 * a file, or back to standard error.
 */

#ifndef SLUICE_MASTER_LOG_WRITER_H
#define SLUICE_MASTER_LOG_WRITER_H

#include <limits.h>
#include <stdbool.h>

#include "base/log.h"
#include "base/log_sink.h"

/* Its descriptors, besides standard error. */
#define LOG_WRITER_PIPE 0
#define LOG_WRITER_ORDERS 3 /* a SOCK_SEQPACKET socket, of the master */

/* What the master tells it, always as a whole. */
struct log_order {
	bool reopen; /* the file, although it is the same */
	enum log_format format;
	char file[PATH_MAX]; /* "": standard error */
};

/*
 * Write until nobody can write to the pipe any more, then return.  loss:
 * counted there.
 */
void log_writer_run(struct log_loss *loss);

#endif

/*
 * log_writer.h: the log process.  It takes lines from pipes and writes them to
 * a file, sends them to the syslog daemon, or puts them back to standard error.
 */

#ifndef SLUICE_MASTER_LOG_WRITER_H
#define SLUICE_MASTER_LOG_WRITER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/log_sink.h"

/* Its descriptors, besides standard error. */
#define LOG_WRITER_LINES 0   /* a pipe: lines of ours, with a mark */
#define LOG_WRITER_ORDERS 3  /* a SOCK_SEQPACKET socket, of the master */
#define LOG_WRITER_PRINTED 4 /* a pipe: what plugins print */
#define LOG_WRITER_FDS 5     /* others are closed */

/* What the master tells it, always as a whole. */
struct log_order {
	bool reopen; /* the file or socket, although it is the same */
	enum log_format format;
	char file[PATH_MAX]; /* or "" */
	/* Of the syslog daemon, or "".  Without file and socket: stderr. */
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int facility; /* as in syslog(3) */
	pid_t pid;    /* of the master, for the tag */
};

/*
 * Write until nobody can write to the pipes any more, then return.  loss:
 * counted there.
 */
void log_writer_run(struct log_loss *loss);

#endif

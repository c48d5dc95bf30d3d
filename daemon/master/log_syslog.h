/*
 * log_syslog.h: sends lines to the syslog daemon of this machine, as datagrams
 * to its socket.  One that is slow, or is started again, is waited for up to a
 * second; from then on lines are lost until it takes one.
 */

#ifndef SLUICE_MASTER_LOG_SYSLOG_H
#define SLUICE_MASTER_LOG_SYSLOG_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Lines go there from here on, with this facility (LOG_DAEMON, ...) and this
 * process in their tag.  Connects when there is a line, and afresh if it was
 * connected.
 */
void log_syslog_use(const char *path, int facility, pid_t pid);
void log_syslog_leave(void);

/*
 * Send one line of printable text, without its newline; what no datagram takes
 * is cut off.  0, or -1 with errno: it is lost.  EAGAIN: it is not read.
 */
int log_syslog_send(int level, const char *text, size_t length);

#endif

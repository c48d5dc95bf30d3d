/*
 * log_process.h: the master's end of the log process, which writes the log when
 * the configuration says where it goes.  Once it runs, all processes write to
 * its pipes, and it alone knows where the lines end up.  The master keeps the
 * pipes: when that process dies, another one goes on with what is in them.
 */

#ifndef SLUICE_MASTER_LOG_PROCESS_H
#define SLUICE_MASTER_LOG_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct event_base;
struct log_loss;
struct log_settings;

void log_process_init(struct event_base *base);

/*
 * Do these settings need it?  Then start it, if it does not run: from here on
 * our own lines and those of new children go there.  Until log_process_aim() it
 * writes to standard error.  0, or -1 with err.
 */
int log_process_prepare(const struct log_settings *settings, struct error *err);
bool log_process_runs(void);

/* From here on lines go where these settings say.  Never waits. */
void log_process_aim(const struct log_settings *settings);

/*
 * Open the file again, which somebody has renamed, or connect to the syslog
 * daemon again.  Returns false when there is neither.
 */
bool log_process_reopen(void);

/*
 * The ends of its pipes, borrowed; -1: there are none.  A child writes its lines
 * to the first, with a mark that tells their level, and lets plugins print to
 * the second, where nothing is taken for a line of ours.
 */
int log_process_lines(void);
int log_process_printed(void);
/* For the lines of one child: an open file of its own.  -1: errno. */
int log_process_new_lines(void);

/* What it has lost, and whether it loses lines now.  Borrowed; NULL: none. */
const struct log_loss *log_process_loss(void);

/* Before the event base is freed: it is not started again. */
void log_process_detach(void);

#endif

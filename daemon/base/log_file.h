/* log_file.h: the file that `log.file` names. */

#ifndef SLUICE_LOG_FILE_H
#define SLUICE_LOG_FILE_H

struct error;

#define LOG_FILE_MODE 0640 /* of a file that is made */

/*
 * Open a file to append lines to, or make it.  It has to be a regular file, and
 * not a link of either kind: whoever may write to its directory could lead us to
 * another's file.  May take long, since the disk may hang.  Returns the
 * descriptor, or -1; err has the path and what to do.
 */
int log_file_open(const char *path, struct error *err);

/* Could it be opened?  Leaves no trace.  0 or -1. */
int log_file_check(const char *path, struct error *err);

/*
 * Could another user put a file of his own there, and so read the log, or keep
 * it away?  0, or -1: he could; doubt says how, and what to do.
 */
int log_file_trust(const char *path, struct error *doubt);

#endif

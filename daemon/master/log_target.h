/*
 * log_target.h: where the log process puts lines: standard error, a file, or
 * the syslog daemon; each in the form that is read there.
 */

#ifndef SLUICE_MASTER_LOG_TARGET_H
#define SLUICE_MASTER_LOG_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/log.h"

struct log_loss;
struct log_piece;

/* It begins at standard error.  What is lost is counted there. */
void log_target_init(struct log_loss *loss);
/* Of what it says itself, and of what plugins print. */
void log_target_format(enum log_format format);

void log_target_use_stderr(void);
/* fd is owned from here on. */
void log_target_use_file(int fd, const char *path);
void log_target_use_syslog(const char *path, int facility, pid_t pid);

bool log_target_is_stderr(void);
/* Do lines go to this file? */
bool log_target_is_file(const char *path);

void log_target_put(const struct log_piece *piece);

/* A line of our own. */
void log_target_say(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The same at standard error, where people look when the log does not grow.  It
 * must not be full, since we do not wait.
 */
void log_target_say_aside(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Does it take lines?  If that has changed it is said aside. */
void log_target_look(void);

#endif

/*
 * log.h: one line at a time to stderr.  Levels are those of syslog(3).
 * Formats: text for people, json for programs; "<N>" prefixes and no time when
 * stderr is the journal.  A line that stderr cannot take now is dropped and
 * counted; the count is logged, with its cause, as soon as possible.
 */

#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/*
 * role: "master", "reader", "probe", "worker 1": borrowed for ever.  Looks at
 * stderr, and opens it anew for itself.  Call it after other descriptors have
 * been closed.
 */
void log_init(const char *role);
/* Is stderr the journal? */
bool log_is_journal(void);
/*
 * The log leads to the log process: lines go to this end of its pipe, which is
 * owned from here on, with a mark that tells it their level.  log_piped(): they
 * do because stderr is that pipe.
 */
void log_pipe(int fd);
void log_piped(void);
bool log_is_piped(void);
/*
 * In a process that was forked to be the log process: forget where the log
 * went; log_init() finds out where it goes.
 */
void log_leave_pipe(void);
/*
 * From here on this process never waits for its log; see log_sink.h.  For
 * processes that live long, after they have dropped their privileges.
 */
void log_never_wait(void);
/*
 * Standard error leads to fd from here on, for whatever is printed there, but
 * our lines go where they went.  The same of standard output, if `both` or if
 * it leads to the same place.  fd is not kept, and log_init() looks at standard
 * error no more.
 */
void log_leave_stderr(int fd, bool both);
void log_configure(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
enum log_format log_format(void);
void log_verbose(void); /* -v: debug lines, whatever is configured */
bool log_enabled(enum log_level level);

void log_error(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))); /* with ": " error_text(errno) */
void log_errorx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))); /* with ": " error_text(errno) */
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_at(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void log_vat(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* A line that is written unchanged, such as a coloured one. */
void log_as_it_is(const char *text);
/* For the handler of a fault: uses nothing that the fault may have broken. */
void log_dying(const char *message);
/* For the same: waits up to most_ms for lines that are not written yet. */
void log_settle(unsigned int most_ms);

/*
 * A line of named fields, such as the access log's: in text
 *	PREFIX NAME=VALUE NAME=VALUE
 * in json an object with the prefix as "message" and the fields as members.  A
 * field with a name that an object has already gets a "_" behind it.
 */
struct log_field {
	const char *name;
	const char *string; /* used when not NULL, else number */
	uint64_t number;
	/* In text it is part of the prefix already: only for json. */
	bool in_prefix;
};
void log_fields(enum log_level level, const char *prefix,
    const struct log_field *fields, unsigned int count);

#endif

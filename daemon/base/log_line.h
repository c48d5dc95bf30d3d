/* log_line.h: one line of the log as bytes, in text or as json. */

#ifndef SLUICE_LOG_LINE_H
#define SLUICE_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define LOG_LINE_MAX \
	4096 /* PIPE_BUF: a line is never mixed with another process's */
#define LOG_MESSAGE_MAX 2048 /* before escaping */

struct log_line {
	char text[LOG_LINE_MAX];
	size_t length; /* without the newline, for which there is room */
};

/* How this process logs. */
struct log_style {
	const char *role;
	enum log_format format;
	bool journal; /* stderr is the journal: "<N>" in front, no time */
	bool piped;   /* to the log process: "<N>" in front, and the time */
};

/* Never fails: what does not fit is cut off. */
void log_line_build(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count);

/*
 * The same for a handler of a fault: without fields, for a message that needs
 * no escapes.
 */
void log_line_build_simple(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message);

/* The line that says how many were lost, and why the last one was. */
void log_line_lost(struct log_line *line, const struct log_style *style,
    uint64_t lost, int error);

/* A text that is written unchanged. */
void log_line_copy(struct log_line *line, const char *text);

#endif

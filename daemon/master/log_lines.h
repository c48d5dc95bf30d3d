/*
 * log_lines.h: takes apart what comes through the pipes of the log process: our
 * lines, which have a mark, and what plugins print.
 */

#ifndef SLUICE_MASTER_LOG_LINES_H
#define SLUICE_MASTER_LOG_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct log_piece {
	const char *text; /* borrowed; without its mark and newline */
	size_t length;
	int level;   /* as in syslog(3); of what plugins print: info */
	bool ours;   /* else a plugin has printed it */
	bool plain;  /* it begins with a time and a level */
	bool object; /* it begins as our objects do */
};

/*
 * The next line of these bytes, or the part of one that comes before a line of
 * ours.  all: what is there is not going to grow.  Returns the bytes that it
 * took; 0: there is no whole line.
 */
size_t log_lines_next(const char *bytes, size_t there, bool all,
    struct log_piece *ret);

/* The same of bytes that plugins have printed: nothing in them is ours. */
size_t log_lines_next_printed(const char *bytes, size_t there, bool all,
    struct log_piece *ret);

/* The most bytes, up to so many, that cut no character of UTF-8. */
size_t log_lines_cut(const char *text, size_t most);

/* What follows the time and the level, for a log that has both itself. */
void log_lines_bare(const struct log_piece *piece, const char **ret_text,
    size_t *ret_length);

#endif

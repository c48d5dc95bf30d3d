/*
 * scan.h: looks at the text of a configuration file before libconfig 1.5 parses
 * it, to find what libconfig gets wrong without an error: it wraps integers,
 * cuts strings, ends the process, and forgets the line of a string.
 */

#ifndef SLUICE_SCAN_H
#define SLUICE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct problems;

struct scan_string {
	uint32_t line; /* on which it begins */
	bool joined;   /* of several that follow each other */
};

struct scan {
	/* The string values, in the order of the text; owned. */
	struct scan_string *strings;
	uint32_t string_count;
	/* Lines with integers that were refused, ascending; owned. */
	uint32_t *number_lines;
	uint32_t number_count;
};

/*
 * Problems name the file as `file` does.  Returns 0 when libconfig may parse
 * the text (there may still be problems), -1 when not.  Call scan_done() in
 * both cases.
 */
int scan_text(const char *file, const char *text, size_t len,
    struct problems *problems, struct scan *ret);
void scan_done(struct scan *scan);

#endif

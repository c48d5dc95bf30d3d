/*
 * scan.h: a look at the text of a configuration file before libconfig 1.5
 * parses it, for what libconfig gets wrong in silence: it wraps integers, cuts
 * strings, ends the process, loses the line of a string.
 */

#ifndef SLUICE_SCAN_H
#define SLUICE_SCAN_H

#include <stddef.h>
#include <stdint.h>

struct problems;

struct scan {
	/*
	 * Lines on which the string values begin, in the order of the text;
	 * owned.
	 */
	uint32_t *string_lines;
	uint32_t string_count;
	/* Lines with integers that were refused, ascending; owned. */
	uint32_t *number_lines;
	uint32_t number_count;
};

/*
 * file is for the problems.  Returns 0 when libconfig may parse the text (there
 * may still be problems), -1 when not.  scan_done() in both cases.
 */
int scan_text(const char *file, const char *text, size_t len,
    struct problems *problems, struct scan *ret);
void scan_done(struct scan *scan);

#endif

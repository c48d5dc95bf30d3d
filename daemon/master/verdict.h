/*
 * verdict.h: collects the problems of a generation: logs each once, counts
 * them, and sums up at the end.  Several workers that say the same are one
 * problem.
 */

#ifndef SLUICE_MASTER_VERDICT_H
#define SLUICE_MASTER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERDICT_REMEMBERED \
	256 /* problems that are recognized; later ones may be logged twice */
#define PROBLEM_LINE_MAX 9000 /* more than a message holds */
#define VERDICT_TEXT_MAX \
	16384 /* of all lines together; the rest is in the log */

struct verdict {
	unsigned int problems; /* of level error */
	unsigned int remembered;
	uint64_t seen[VERDICT_REMEMBERED];
	bool cut; /* not all lines fit below */
	size_t length;
	char text[VERDICT_TEXT_MAX]; /* what was logged, for the waiters */
};

void verdict_clear(struct verdict *verdict);

/*
 * Log "FILE:LINE: text" and count it; level is enum log_level, file "" or NULL:
 * nowhere.
 */
void verdict_add(struct verdict *verdict, int level, const char *file,
    uint32_t line, const char *text);

/* The same for a problem that is not in a file. */
void verdict_say(struct verdict *verdict, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Add a line that the caller logs itself, such as the last.  Always fits. */
void verdict_note(struct verdict *verdict, const char *line);

/*
 * "FILE:LINE: warning: text", for a person who has asked whether the
 * configuration is good; the arguments are those of verdict_add().
 */
void problem_line(char line[PROBLEM_LINE_MAX], int level, const char *file,
    uint32_t number, const char *text);

/* "1 problem", "3 problems".  Returns text. */
const char *count_text(unsigned int count, const char *noun, char text[64]);

#endif

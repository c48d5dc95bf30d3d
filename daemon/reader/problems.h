/*
 * problems.h: the problems of a configuration, in the order in which they were
 * found, each with its place.
 */

#ifndef SLUICE_PROBLEMS_H
#define SLUICE_PROBLEMS_H

#include <stdint.h>

#include "base/log.h"

struct origin;

struct problem {
	int level;     /* LOG_LEVEL_ERROR, LOG_LEVEL_WARN or LOG_LEVEL_INFO */
	char *file;    /* owned; "": not about a file */
	uint32_t line; /* 0: the file as a whole */
	char *text;    /* owned; one sentence */
};

struct problems {
	struct problem *list; /* owned */
	uint32_t count;
	uint32_t errors; /* also counts those that did not fit */
	/*
	 * Called for each one at once, so that none is lost should the parser
	 * exit; or NULL.
	 */
	void (*on_problem)(void *arg, const struct problem *problem);
	/* Called as soon as it is known in which format to log them; or NULL. */
	void (*on_log_format)(void *arg, enum log_format format);
	void *arg;
};

/* at may be NULL: not about a file. */
void problem_error(struct problems *problems, const struct origin *at,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Not an error, but worth knowing. */
void problem_note(struct problems *problems, const struct origin *at,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void problem_warn(struct problems *problems, const struct origin *at,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

void problems_done(struct problems *problems);

#endif

/*
 * syntax.h: what is wrong with a text that libconfig refuses.  libconfig says
 * "syntax error" and a line that may be far below the mistake; this says what
 * to write instead.
 */

#ifndef SLUICE_SYNTAX_H
#define SLUICE_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

struct problems;

#define SYNTAX_DEPTH_MAX 32   /* brackets in brackets; our own keys need five */
#define SYNTAX_GROUP_MAX 1024 /* settings in one group */

/*
 * Find the first mistake, and make it a problem.  False: none was found that
 * libconfig or the scan would not describe better.  Only for texts that are
 * refused: it does not decide what is valid.
 */
bool syntax_explain(const char *file, const char *text, size_t len,
    struct problems *problems);

/* The bracket that this one closes. */
char syntax_opening(char close);

#endif

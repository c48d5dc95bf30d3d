/* title.h: what ps(1) shows for this process. */

#ifndef SLUICE_TITLE_H
#define SLUICE_TITLE_H

/*
 * Make room for titles by moving the environment, which follows argv in memory.
 * Call it first, and once.  Returns a copy of argv, which is never freed, or
 * NULL with errno; titles then stay unchanged.
 */
char **title_init(int argc, char **argv);

/* The same copy; NULL: there is none. */
char **title_args(void);

/* "sluiced: " and the text. */
void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

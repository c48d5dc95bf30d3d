/* title.h: what ps(1) shows for this process. */

#ifndef SLUICE_TITLE_H
#define SLUICE_TITLE_H

/*
 * Make room for titles: moves the environment away from behind argv.  Call it
 * first, and once.  argv itself is copied: returns the copy, which lives for
 * ever, or NULL with errno (titles stay as they are then).
 */
char **title_init(int argc, char **argv);

/* "sluiced: " and the text. */
void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

/* standard.h: standard input, output and error of a program. */

#ifndef SLUICE_STANDARD_H
#define SLUICE_STANDARD_H

#include <unistd.h>

/*
 * Open those of 0 to 2 that are closed, so that no later descriptor of ours is
 * taken for one of them.  Call it first.  0, or -1 after a word on stderr.
 */
int standard_open(const char *program);

/* For standard_above(): fd is 0, 1 or 2. */
int standard_move(int fd);

/*
 * A new descriptor, which may be -1.  If a plugin has closed standard error, the
 * new one may take its place, and what is printed would be sent to a client.
 * So then the new one is moved, and /dev/null comes to that place.  Returns the
 * descriptor to use, or -1 with errno, when there is none.
 */
static inline int
standard_above(int fd)
{
	return fd > STDERR_FILENO || fd == -1 ? fd : standard_move(fd);
}

/*
 * Has all that was printed on stdout been written?  Call it at the end.  0, or
 * -1 after a word on stderr, also when stdout was closed from the beginning.
 */
int standard_printed(const char *program);

#endif

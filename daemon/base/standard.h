/* standard.h: standard input, output and error of a program. */

#ifndef SLUICE_STANDARD_H
#define SLUICE_STANDARD_H

/*
 * Open those of 0 to 2 that are closed, so that no later descriptor of ours is
 * taken for one of them.  Call it first.  0, or -1 after a word on stderr.
 */
int standard_open(const char *program);

/*
 * Has all that was printed on stdout been written?  Call it at the end.  0, or
 * -1 after a word on stderr, also when stdout was closed from the beginning.
 */
int standard_printed(const char *program);

#endif

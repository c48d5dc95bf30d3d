/* words.h: what may come next on a command line, for shells. */

#ifndef SLUICE_CTL_WORDS_H
#define SLUICE_CTL_WORDS_H

/*
 * Print, one on each line, the words that may follow these ones, which end with
 * NULL.
 */
void print_words(char *const *before);

#endif

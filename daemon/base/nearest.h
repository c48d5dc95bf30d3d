/* nearest.h: the word that was probably meant by one that is not known. */

#ifndef SLUICE_NEAREST_H
#define SLUICE_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word; /* borrowed from the candidates; NULL: none is near */
	size_t distance;
};

/* More than two typos: another word. */
#define NEAREST_NONE ((struct nearest){ .word = NULL, .distance = 3 })

/* Keep the candidate if it is nearer to the unknown word than those before. */
void nearest_try(struct nearest *nearest, const char *unknown,
    const char *candidate);

#endif

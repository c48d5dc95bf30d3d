/* nearest.c: the edit distance of words. */

#include "base/nearest.h"

#include <string.h>

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Edit distance of two short words; two letters in the wrong order are one
 * mistake.
 */
static size_t
distance(const char *a, const char *b)
{
	enum { WORD_MAX = 32 };
	size_t d[WORD_MAX + 1][WORD_MAX + 1], i, j, la = strlen(a),
						    lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (i = 0; i <= la; i++) {
		for (j = 0; j <= lb; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] =
			    min_size(min_size(d[i - 1][j], d[i][j - 1]) + 1,
				d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] =
				    min_size(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[la][lb];
}

void
nearest_try(struct nearest *nearest, const char *unknown, const char *candidate)
{
	size_t d = distance(unknown, candidate);
	size_t shorter = min_size(strlen(unknown), strlen(candidate));

	/* Of four letters one may be wrong: "port" is not meant for "cert". */
	if (d >= nearest->distance || d > (shorter + 1) / 3)
		return;
	nearest->word = candidate;
	nearest->distance = d;
}

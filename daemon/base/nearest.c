/* nearest.c: the edit distance of words. */

#include "base/nearest.h"

#include <string.h>

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edit distance of two short words. */
static size_t
distance(const char *a, const char *b)
{
	enum { WORD_MAX = 32 };
	size_t row[WORD_MAX + 1], i, j, above, left, la = strlen(a),
						     lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		above = row[0];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			left = min_size(row[j], row[j - 1]) + 1;
			left = min_size(left, above + (a[i - 1] != b[j - 1]));
			above = row[j];
			row[j] = left;
		}
	}
	return row[lb];
}

void
nearest_try(struct nearest *nearest, const char *unknown, const char *candidate)
{
	size_t d = distance(unknown, candidate);

	if (d >= nearest->distance || d >= strlen(candidate) / 2 + 1)
		return;
	nearest->word = candidate;
	nearest->distance = d;
}

/* fail.h: the end of a function that fails with errno. */

#ifndef SLUICE_FAIL_H
#define SLUICE_FAIL_H

#include <errno.h>

/* Returns -1, so that a caller can `return fail(EPIPE)`. */
static inline int
fail(int error)
{
	errno = error;
	return -1;
}

#endif

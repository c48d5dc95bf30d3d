/*
 * valgrind.h: whether this process runs under valgrind, which shows some things
 * in another way than the kernel does.
 */

#ifndef SLUICE_VALGRIND_H
#define SLUICE_VALGRIND_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool
valgrind_runs_us(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded != NULL && strstr(preloaded, "/vgpreload_") != NULL;
}

#endif

/* same_file.h: two paths of one file. */

#ifndef SLUICE_SAME_FILE_H
#define SLUICE_SAME_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* Do both lead to the same file?  Also false when one of them does not exist. */
static inline bool
same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 &&
	    sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

#endif

/* same_file.h: two names, descriptors or looks at one file. */

#ifndef SLUICE_SAME_FILE_H
#define SLUICE_SAME_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

static inline bool
same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * Do both paths lead to the same file?  Also false when one of them does not
 * exist.
 */
static inline bool
same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && same_inode(&sa, &sb);
}

/* The same of two descriptors. */
static inline bool
same_open_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && same_inode(&sa, &sb);
}

#endif

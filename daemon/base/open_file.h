/* open_file.h: open a file that somebody else has named. */

#ifndef SLUICE_OPEN_FILE_H
#define SLUICE_OPEN_FILE_H

/*
 * Open a regular file for reading, at a path that begins at the directory `dir`
 * (or AT_FDCWD).  flags: 0 or O_NOFOLLOW.
 *
 * What is not a regular file is looked at, but not opened: to open a device may
 * start something, and to open a FIFO lets its writer go on.  The descriptor is
 * then an O_PATH one, which is good for fstat() and not for reading, so callers
 * look at the type before they read.  Returns the descriptor, or -1 with errno;
 * ESTALE: the file was replaced in that moment.
 */
int open_file(int dir, const char *path, int flags);
/* The same for another use: O_WRONLY | O_APPEND, for example. */
int open_file_for(int dir, const char *path, int flags, int use);

#endif

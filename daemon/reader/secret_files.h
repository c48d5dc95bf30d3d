/* secret_files.h: the files that settings->secrets names, as sealed memfds. */

#ifndef SLUICE_SECRET_FILES_H
#define SLUICE_SECRET_FILES_H

#include <stdint.h>

struct problems;
struct settings;

struct secret_files {
	int *fds; /* owned; as many as settings->secret_count */
	uint32_t count;
};

/*
 * A file that cannot be read is a problem at the key that names it.  Fills in
 * each stamp.
 */
void secret_files_open(struct settings *settings, struct problems *problems,
    struct secret_files *ret);
void secret_files_close(struct secret_files *files);

#endif

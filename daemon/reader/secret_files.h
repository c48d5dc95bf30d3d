/*
 * secret_files.h: secrets as sealed memfds, and files that are read straight
 * into the memory of a secret.
 */

#ifndef SLUICE_SECRET_FILES_H
#define SLUICE_SECRET_FILES_H

#include <stdint.h>

struct error;
struct origin;
struct secret;
struct settings;

struct secret_files {
	int *fds; /* owned; as many as settings->secret_count */
	uint32_t count;
};

/*
 * Read all of a regular file; owned by the caller.  NULL: err, a phrase that is
 * appended to the path.
 */
struct secret *secret_file_read(const char *path, struct error *err);

/*
 * Append these bytes to the files and to settings->secrets, with path and stamp
 * as in struct secret_settings, copied.  Returns 0 and the index, or -1 with
 * err.
 */
int secret_files_add(struct secret_files *files, struct settings *settings,
    const struct secret *secret, const char *path, const struct origin *origin,
    const uint64_t stamp[2], uint32_t *ret_index, struct error *err);

void secret_files_close(struct secret_files *files);

#endif

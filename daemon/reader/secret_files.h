/*
 * secret_files.h: what settings->secrets names, as sealed memfds, and files
 * that are read without a copy outside of the memory of secrets.
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
 * All of a regular file that does not change meanwhile; owned by the caller.
 * NULL: err, which goes behind the path.
 */
struct secret *secret_file_read(const char *path, struct error *err);

/*
 * Append one to settings->secrets and to the files: these bytes.  path and
 * stamp as in struct secret_settings, copied.  Returns 0 and its index, or -1
 * with err.
 */
int secret_files_add(struct secret_files *files, struct settings *settings,
    const struct secret *secret, const char *path, const struct origin *origin,
    const uint64_t stamp[2], uint32_t *ret_index, struct error *err);

void secret_files_close(struct secret_files *files);

#endif

/* config_file.h: the bytes of a configuration file, and paths in it. */

#ifndef SLUICE_CONFIG_FILE_H
#define SLUICE_CONFIG_FILE_H

#include <stddef.h>

struct error;

#define CONFIG_FILE_MAX (1 << 20) /* a larger one is a mistake */

/*
 * Open a file or directory of the configuration, as open_file() does.  If we are
 * root it has to be one that only root can write to or replace, since whoever
 * writes the configuration decides who runs which code; see trusted_path.h.
 * -1: not so, and doubt has a sentence, or errno, and doubt is "".
 */
int config_file_open(const char *path, struct error *doubt);

/*
 * Read all of a regular file, and add a NUL; owned by the caller.  NULL: err
 * has a sentence, which does not name the file.  Waits for nothing.
 */
char *config_file_read(const char *path, size_t *ret_len, struct error *err);

/*
 * Resolve a path that is written in the file `config`: it is relative to the
 * directory of that file.  Owned by the caller; NULL: ENOMEM.
 */
char *config_file_path(const char *config, const char *path);

#endif

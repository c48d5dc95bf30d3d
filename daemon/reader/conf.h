/*
 * conf.h: configuration files to settings: read, checked by the table of keys,
 * and resolved.  Opens no plugin: see plugin_files.h.
 */

#ifndef SLUICE_CONF_H
#define SLUICE_CONF_H

struct problems;
struct settings;

/*
 * Read the file and what it includes.  Every mistake becomes a problem, and the
 * settings are as good as the file was: if problems->errors is not 0, use them
 * only to find more problems.  Owned by the caller.  NULL: nothing could be
 * read, and there is a problem.
 */
struct settings *conf_read(const char *path, struct problems *problems);

#endif

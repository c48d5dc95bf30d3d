/*
 * watch_files.h: the files that a reload would read, and whether they have
 * changed since the last one read them.  Only their attributes are looked at,
 * never their content.
 */

#ifndef SLUICE_MASTER_WATCH_FILES_H
#define SLUICE_MASTER_WATCH_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define WATCH_FILES_MAX 4096 /* a reader that names more is broken */

struct watch_file {
	LIST_ENTRY(watch_file) link;
	/*
	 * Or a pattern, which stands for what matches it since the last reload
	 * began; what matched it then has rows of its own.
	 */
	char *path;
	uint64_t loaded; /* its stamp when the last reload began; 0: missing */
	uint64_t seen;	 /* its stamp at the last look */
	bool is_pattern;
	bool is_new;	/* it has no stamp yet */
	bool committed; /* it is part of what is served */
	bool attempted; /* it was part of what was refused last */
	bool fresh;	/* the reload that runs reads it */
	bool told_gone;
	/* The last write that was not followed by a close yet; 0: none. */
	uint64_t writing_ms;
};
LIST_HEAD(watch_files, watch_file);

/*
 * A reload reads it: add it, or note it again.  pattern: it is one for glob(3),
 * perhaps with nothing but escaped characters, else a name.  0, or -1: too
 * many, no memory.
 */
int watch_files_add(struct watch_files *files, const char *path, bool pattern);
/* Without the backslashes of a pattern, in place. */
void watch_files_unescape(char *pattern);
/* A reload begins: note the files as they are now. */
void watch_files_begin(struct watch_files *files);
/* It is over: keep what is served and what was tried last, drop the rest. */
void watch_files_end(struct watch_files *files, bool good);
/* From now on every file that exists counts as changed. */
void watch_files_forget(struct watch_files *files);
void watch_files_clear(struct watch_files *files);

/*
 * Look at all of them.  Returns true when one has changed since the last look.
 */
bool watch_files_look(struct watch_files *files);
/*
 * A file that exists and differs from what was loaded, or NULL.  A missing file
 * is not a reason to reload, whether it was named or matched a pattern: it is
 * probably being replaced.
 */
struct watch_file *watch_files_changed(struct watch_files *files);

/* The one that has this name in its directory, or NULL. */
struct watch_file *watch_files_named(struct watch_files *files,
    const char *name);

#endif

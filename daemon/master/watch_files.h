/*
 * watch_files.h: the files that a reload would read, and whether they are as
 * they were when the last one read them.  Looks at them, never into them.
 */

#ifndef SLUICE_MASTER_WATCH_FILES_H
#define SLUICE_MASTER_WATCH_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define WATCH_FILES_MAX 4096 /* a reader that names more went wrong */

struct watch_file {
	LIST_ENTRY(watch_file) link;
	char *path;	 /* or a pattern, which stands for what it matches */
	uint64_t loaded; /* how it was when the last reload began; 0: missing */
	uint64_t seen;	 /* how it was at the last look */
	bool is_pattern;
	bool committed; /* what is served was made of it */
	bool attempted; /* what was refused last was */
	bool fresh;	/* the reload that runs reads it */
	bool told_gone;
	/* Somebody wrote then, and has not closed it; 0: no. */
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
/* A reload begins: what is there now is what it reads. */
void watch_files_begin(struct watch_files *files);
/* It is over: keep what is served and what was tried last, drop the rest. */
void watch_files_end(struct watch_files *files, bool good);
/* Whatever is there counts as changed. */
void watch_files_forget(struct watch_files *files);
void watch_files_clear(struct watch_files *files);

/* Look at all of them.  Returns true when one is not as at the last look. */
bool watch_files_look(struct watch_files *files);
/*
 * One that is there and not as it was loaded, or NULL.  One that is merely
 * gone is no reason: whoever makes it anew has removed it first.
 */
struct watch_file *watch_files_changed(struct watch_files *files);

/* The one that has this name in its directory, or NULL. */
struct watch_file *watch_files_named(struct watch_files *files,
    const char *name);

#endif

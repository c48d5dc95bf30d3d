/*
 * build.h: builds a generation from the files on disk: the reader makes it, the
 * probe tries it.  This changes nothing that runs.  -t does only this, and
 * prints a verdict.
 */

#ifndef SLUICE_MASTER_BUILD_H
#define SLUICE_MASTER_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/*
 * The time in which the probe has to load the plugins and check the options.
 * With more time a bad plugin would hold up every reload.
 */
#define PROBE_MS 5000

struct build;
struct children;
struct error;
struct gen;

struct build_ops {
	/*
	 * A problem, for the operator; level is enum log_level; file may be "".
	 */
	void (*on_problem)(void *arg, int level, const char *file,
	    uint32_t line, const char *text);
	/*
	 * A pattern for glob(3) of files that the generation is made of; the
	 * function may be NULL.
	 */
	void (*on_source)(void *arg, const char *pattern);
	/* What the configuration says of the log; the function may be NULL. */
	void (*on_log_format)(void *arg, enum log_format format);
	/*
	 * The end, and the last call: a generation, owned by the callee, or
	 * NULL.
	 */
	void (*on_done)(void *arg, struct gen *gen);
};

/* number: what the generation will be called.  NULL: it cannot begin. */
struct build *build_start(struct children *children, const char *config,
    uint32_t number, bool check_only, const struct build_ops *ops, void *arg,
    struct error *err);

/* Stop it: no calls follow.  NULL is fine; not inside its callbacks. */
void build_cancel(struct build *build);

#endif

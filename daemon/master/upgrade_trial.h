/*
 * upgrade_trial.h: a new binary is run as a child first: does it start here,
 * can it take over from us, and does it like the configuration?  Whatever it
 * does, nothing has changed.
 */

#ifndef SLUICE_MASTER_UPGRADE_TRIAL_H
#define SLUICE_MASTER_UPGRADE_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct children;
struct event_base;
struct upgrade_trial;

/* What the binary says first, and at the end when all is well. */
#define TRIAL_FIRST "sluiced takes over format "
#define TRIAL_LAST "ready"

struct upgrade_trial_ops {
	/*
	 * The verdict, from the loop, when it has ended or is late; the trial
	 * is freed when it returns.
	 * version: of the binary, borrowed, or "".  text: why not, or "".
	 * lines: what it has printed about it, or "".
	 */
	void (*on_done)(void *arg, bool good, const char *version,
	    const char *text, const char *lines);
};

struct upgrade_job {
	int program; /* a descriptor of it */
	const char *path, *config;
	uint64_t limit_ms; /* then it is killed, and the verdict is "no" */
};

/*
 * The job is copied, and what it points to borrowed.  If we are root, the
 * program is refused when others can write to it: see trusted_path.h.  NULL:
 * errno.
 */
struct upgrade_trial *upgrade_trial_new(struct event_base *base,
    struct children *children, const struct upgrade_job *job,
    const struct upgrade_trial_ops *ops, void *arg);
/* Ends it, with all processes of its session; no call follows.  NULL is fine. */
void upgrade_trial_free(struct upgrade_trial *trial);

#endif

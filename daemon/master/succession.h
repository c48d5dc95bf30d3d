/*
 * succession.h: the programs before and after this one in the same process, for
 * the master: what it takes over, the workers that serve on meanwhile, and the
 * upgrade by which it is replaced itself.
 */

#ifndef SLUICE_MASTER_SUCCESSION_H
#define SLUICE_MASTER_SUCCESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "master/takeover.h"

struct children;
struct event_base;
struct leaving;
struct settings;
struct upgrade;

struct succession {
	struct takeover takeover;
	struct takeover_parts parts;
	struct upgrade *upgrade;
	struct event_base *base;
	struct control_closed *closed; /* NULL: there is one, or none at all */
	const struct leaving *leaving;
};

/*
 * When the modules of the master are there, but for the workers.  on_gone: the
 * last worker of a program before us has ended.  0 or -1; it is logged what
 * fails.
 */
int succession_init(struct succession *succession, struct event_base *base,
    struct children *children, const char *config, void (*on_gone)(void *arg),
    void *arg);
void succession_done(struct succession *succession);

/* A control socket is about to be made. */
void succession_make_way(struct succession *succession);
/*
 * The workers are there, and perhaps a control socket: they have what was taken
 * over.
 */
void succession_begin(struct succession *succession, struct workers *workers,
    struct slots *slots, const struct control *control);
/* The workers of a program before us that are still there. */
uint32_t succession_left(const struct succession *succession);
/* Ours are about to serve. */
void succession_commit(struct succession *succession);
/* After a verdict: see takeover_verdict(). */
void succession_verdict(struct succession *succession, bool good);
/*
 * Is nothing served, by us or by them, and nothing tried any more?  Then it is
 * logged, and the daemon is to end.
 */
bool succession_failed(struct succession *succession);
/*
 * The daemon stops: call off an upgrade that has begun.  Those before us drain;
 * at a second signal, or with `now`, they leave at once.
 */
void succession_stop(struct succession *succession, bool now);

#endif

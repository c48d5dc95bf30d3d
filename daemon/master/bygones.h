/*
 * bygones.h: workers of the program that ran before this one in the same
 * process.  They serve until we do, then they accept no more, and keep their
 * connections until these end or upgrade_drain is over.  Of their shared
 * memory nothing is known here.
 */

#ifndef SLUICE_MASTER_BYGONES_H
#define SLUICE_MASTER_BYGONES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bygones;
struct children;
struct event_base;
struct handover;
struct taken;

/* on_all_gone: the last one has ended.  NULL: no memory. */
struct bygones *bygones_new(struct event_base *base, struct children *children,
    void (*on_all_gone)(void *arg), void *arg);
/* Kills those that are left.  NULL is fine. */
void bygones_free(struct bygones *bygones);

/* Pack one worker that serves, for the next program. */
void bygone_hand_over(struct handover *handover, uint32_t number, pid_t pid,
    int channel, uint64_t connections);
/* One that has crashed, and has not ended. */
void bygone_hand_over_dying(struct handover *handover, uint32_t number,
    pid_t pid);
/* The same with all that are here. */
void bygones_hand_over(const struct bygones *bygones,
    struct handover *handover);
/* No more follow. */
void bygones_hand_over_end(struct handover *handover);
/* Take over all of them.  0, or -1: no memory. */
int bygones_take(struct bygones *bygones, struct taken *taken);

/* Those that have not crashed. */
uint32_t bygones_count(const struct bygones *bygones);

struct bygone_facts {
	uint32_t worker; /* from 0 */
	pid_t pid;
	const char *state; /* "serving", "draining", "leaving", "dying" */
	/* When it was handed over; what it has now is not known. */
	uint64_t connections;
	bool ends;	  /* there is a limit, */
	uint64_t left_ms; /* after which it closes them */
};
void bygones_each(const struct bygones *bygones,
    void (*each)(void *arg, const struct bygone_facts *facts), void *arg);

/*
 * Have all that still accept drain, for at most_ms; those that drain already
 * have no more time than that from now on.  upgrade: since another program
 * serves, and not since the daemon stops.  The limits are those of the program
 * before us, since its workers go by them as well.
 */
void bygones_drain(struct bygones *bygones, uint64_t most_ms, bool upgrade);

#endif

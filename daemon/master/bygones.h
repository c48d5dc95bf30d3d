/*
 * bygones.h: workers of the program that ran before this one in the same
 * process.  They serve until we do, then they accept no more, and keep their
 * connections until these end or upgrade_drain is over.  Of their shared
 * memory nothing is known here.
 */

#ifndef SLUICE_MASTER_BYGONES_H
#define SLUICE_MASTER_BYGONES_H

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

/* Pack one worker, for the next program. */
void bygone_hand_over(struct handover *handover, uint32_t number, pid_t pid,
    int channel);
/* The same with all that are here; they come after a number that counts them. */
void bygones_hand_over(const struct bygones *bygones,
    struct handover *handover);
/* Take over `count` of them.  0, or -1: no memory. */
int bygones_take(struct bygones *bygones, struct taken *taken, uint32_t count);

uint32_t bygones_count(const struct bygones *bygones);
/* For people: worker, from 0, and pid of each. */
void bygones_each(const struct bygones *bygones,
    void (*each)(void *arg, uint32_t number, pid_t pid), void *arg);

/*
 * Have all that still accept drain, for at most_ms; those that drain already
 * have no more time than that from now on.
 */
void bygones_drain(struct bygones *bygones, uint64_t most_ms);

#endif

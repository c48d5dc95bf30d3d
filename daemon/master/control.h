/*
 * control.h: the socket that sluicectl talks to.  One request, one answer: see
 * control_words.h.  Only root, the daemon's own user and the members of
 * control_group may use it.
 */

#ifndef SLUICE_MASTER_CONTROL_H
#define SLUICE_MASTER_CONTROL_H

#include <time.h>

struct bygones;
struct control;
struct control_diffs;
struct crashes;
struct control_path;
struct error;
struct event_base;
struct handover;
struct reload;
struct settings;
struct slots;
struct upgrade;
struct workers;

/* What commands look at and work on; all borrowed. */
struct control_subject {
	const char *config;
	time_t started_s; /* CLOCK_MONOTONIC */
	struct reload *reload;
	struct workers *workers;
	struct slots *slots;
	struct crashes *crashes;
	struct control_diffs *diffs;
	struct upgrade *upgrade;
	const struct bygones *bygones;
};

/*
 * Listen where settings->control says, which is not NULL.  A socket there that
 * no process listens on is replaced.  taken: that of the program before us,
 * which is used, or left alone.  NULL: err says why.
 */
struct control *control_new(struct event_base *base,
    const struct settings *settings, const struct control_subject *subject,
    struct control_path *taken, struct error *err);

/* Pack where it listens, for the next program. */
void control_hand_over(const struct control *control,
    struct handover *handover);

/*
 * Make the socket anew if its path does not lead to it any more.  A timer does
 * so, too, but later, and only if nothing is at the path.  NULL is fine.
 */
void control_check(struct control *control);

/* We are leaving: a successor can have the path.  NULL is fine. */
void control_step_aside(struct control *control);

/*
 * Leaves the clients without an answer, and removes the path if it is still
 * ours.  NULL is fine.
 */
void control_free(struct control *control);

#endif

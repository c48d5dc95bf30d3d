/*
 * upgrade.h: another binary goes on in this process.  It is tried first, as a
 * child; then it is executed in our place, and finds what we have left
 * (handover.h).  Until then nothing has changed.
 */

#ifndef SLUICE_MASTER_UPGRADE_H
#define SLUICE_MASTER_UPGRADE_H

#include <stdbool.h>

struct children;
struct event_base;
struct handover;
struct upgrade;

struct upgrade_ops {
	/* Why it cannot be done now; NULL: it can. */
	const char *(*why_not)(void *arg);
	/* Pack all that goes over, behind the descriptor of the client. */
	void (*hand_over)(void *arg, struct handover *handover);
};

/* A client that asks for it. */
struct upgrade_waiter {
	/* Nothing has changed.  Borrowed; without newlines at their ends. */
	void (*on_refused)(void *arg, const char *lines, const char *verdict);
	void *arg;
	/* Goes over: the new program writes the answer there. */
	int fd;
};

/* config: of the command line, borrowed.  NULL: errno. */
struct upgrade *upgrade_new(struct event_base *base, struct children *children,
    const char *config, const struct upgrade_ops *ops, void *arg);
void upgrade_free(struct upgrade *upgrade); /* NULL is fine */

/*
 * Begin.  The waiter (copied; or NULL) is told from inside the call when it
 * cannot be.
 */
void upgrade_request(struct upgrade *upgrade, const char *who,
    const struct upgrade_waiter *waiter);
/* We are leaving: call off what has begun. */
void upgrade_stop(struct upgrade *upgrade);
/* It has left; the upgrade goes on. */
void upgrade_forget(struct upgrade *upgrade, const void *arg);

#endif

/*
 * waiters.h: clients that wait for the verdict of a reload or a rollback: of
 * the one that runs or, if they came while it ran, of the next one.
 */

#ifndef SLUICE_MASTER_WAITERS_H
#define SLUICE_MASTER_WAITERS_H

#include <stdbool.h>

#include "master/reload.h"

enum wait {
	WAIT_RELOAD,   /* the next one */
	WAIT_RUNNING,  /* what runs */
	WAIT_ROLLBACK, /* the next one */
	WAIT_DRAIN,    /* the same */
};

struct waiters {
	unsigned int count;
	struct {
		struct reload_waiter waiter;
		enum wait what;
		bool inverse; /* a refusal counts as success */
		bool ended;   /* it is being told */
	} row[RELOAD_WAITERS_MAX];
};

/* 0, or -1: too many. */
int waiters_add(struct waiters *waiters, const struct reload_waiter *waiter,
    enum wait what, bool inverse);

/* One begins: those that wait for the next of this kind now wait for it. */
void waiters_begin(struct waiters *waiters, enum wait what);

/* The verdict of what runs. */
void waiters_tell(struct waiters *waiters, bool good, const char *text);

/* Tell all of them that there will be no verdict. */
void waiters_tell_all(struct waiters *waiters, const char *text);

void waiters_forget(struct waiters *waiters, const void *arg);

#endif

/* child_internal.h: the inside of a child, for child.c and child_deadline.c. */

#ifndef SLUICE_MASTER_CHILD_INTERNAL_H
#define SLUICE_MASTER_CHILD_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/error.h"

struct channel;
struct child_ops;
struct children;
struct event;
struct event_base;

struct child {
	LIST_ENTRY(child) entry;
	struct children *children;
	struct channel *channel; /* NULL: read to its end */
	struct event *timer;
	pid_t pid;
	const struct child_ops *ops; /* NULL: forgotten, only to be reaped */
	void *arg;
	const char *reason; /* why we killed it, or will */
	char words[ERROR_TEXT_MAX +
	    8];	      /* room for a reason that is not constant */
	bool killed;  /* by us */
	bool aborted; /* by us; killed if it does not end */
	/* Of the timer that runs; due_ms 0: none. */
	uint64_t due_ms;
	unsigned int ms, granted_ms;
	uint64_t cpu_ms; /* that it had used when the timer was set */
};

struct children {
	struct event_base *base;
	struct event *sigchld;
	LIST_HEAD(, child) list;
	bool verbose;
};

/* child.c: its process has ended.  Frees it. */
void child_reaped(struct child *child, int status);
/* No calls follow any more, but it must still be reaped. */
void child_forget(struct child *child);

/* child_deadline.c: its one timer. */
void child_set_timer(struct child *child, unsigned int ms);
void child_end_timer(struct child *child);
void child_timer_cb(int fd, short what, void *arg);

#endif

/*
 * child_fixture.h: the part of child.h that is the same in every test without
 * processes.  Each test adds its own child_spawn(), child_send(), child_kill(),
 * child_abort() and child_free().  Each program includes it once.
 */

#ifndef SLUICE_TESTS_CHILD_FIXTURE_H
#define SLUICE_TESTS_CHILD_FIXTURE_H

#include <stdlib.h>
#include <sys/types.h>

#include "fixture.h"
#include "master/child.h"

struct child {
	const struct child_ops *ops;
	void *arg;
	const char *role;
	const char *reason; /* why it was killed, or NULL */
	int master, end;    /* what is sent on master arrives at end */
	struct child *next;
};

struct children *
children_new(struct event_base *base)
{
	return (struct children *)base;
}

void
children_free(struct children *all)
{
	(void)all;
}

void
children_verbose(struct children *all)
{
	(void)all;
}

void
child_pass(struct child *child, const struct child_ops *ops, void *arg)
{
	child->ops = ops;
	child->arg = arg;
}

pid_t
child_pid(const struct child *child)
{
	(void)child;
	return 1000;
}

void
child_deadline(struct child *child, unsigned int ms)
{
	(void)child;
	(void)ms;
}

#endif

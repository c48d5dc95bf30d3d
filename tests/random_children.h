/*
 * random_children.h: child.h without processes.  Now and then a child cannot be
 * started or sent to.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_RANDOM_CHILDREN_H
#define SLUICE_TESTS_RANDOM_CHILDREN_H

#include <errno.h>

#include "base/error.h"
#include "child_fixture.h"
#include "packets.h"

static struct child *children; /* alive, or killed and not gone yet */

struct child *
child_spawn(struct children *all, const char *role, const struct hello *hello,
    int hello_fd, const struct child_ops *ops, void *arg, struct error *err)
{
	struct child *child = calloc(1, sizeof(*child));

	(void)all;
	(void)hello;
	(void)hello_fd;
	if (below(50) == 0) {
		free(child);
		error_set(err, "cannot start a %s", role);
		return NULL;
	}
	child->role = role;
	child->ops = ops;
	child->arg = arg;
	child->next = children;
	children = child;
	return child;
}

int
child_send(struct child *child, const struct msg *msg)
{
	struct packet packet;

	(void)child;
	/* The master sends nothing that cannot be encoded. */
	ck_assert_int_eq(msg_encode(msg, &packet), 0);
	/* As a worker does with its own row, before it answers. */
	if (msg->type == MSG_ROW)
		fcntl(msg->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	if (below(500) != 0)
		return 0;
	errno = below(2) == 0 ? EPIPE : ENOBUFS;
	return -1;
}

void
child_kill(struct child *child, const char *reason)
{
	child->reason = reason;
}

void
child_abort(struct child *child, const char *reason)
{
	child->reason = reason;
}

void
child_free(struct child *child)
{
	struct child **at = &children;

	if (child == NULL)
		return;
	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	free(child);
}

static inline void
child_end(struct child *child, bool clean)
{
	const struct child_ops *child_ops = child->ops;
	const char *reason = child->reason;
	void *arg = child->arg;

	child_free(child);
	child_ops->on_gone(arg,
	    reason != NULL ? reason
		: clean	   ? "exited with status 0"
			   : "was killed by SIGSEGV",
	    clean && reason == NULL);
}

static inline struct child *
some_child(void)
{
	struct child *child = children;
	unsigned int count = 0, n;

	for (; child != NULL; child = child->next)
		count++;
	if (count == 0)
		return NULL;
	n = below(count);
	for (child = children; n > 0; n--)
		child = child->next;
	return child;
}

/* Every mistake of a child and every death is logged; drop these lines. */
static inline void
be_quiet(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ne(dup2(null, STDERR_FILENO), -1);
	close(null);
}

#endif

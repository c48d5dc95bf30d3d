/*
 * worker_dying.c: processes of workers that have crashed and are not gone yet,
 * because they dump gigabytes of core, or because a debugger holds them.  The
 * master no longer waits for their answers; their successors are running.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/msg.h"
#include "master/child.h"
#include "master/process.h"
#include "master/worker_row.h"

#define DYING_MAX 4 /* of one worker: each may hold a lot of memory */

struct dying {
	LIST_ENTRY(dying) entry;
	struct child *child;
	uint32_t worker;
	pid_t pid;
	uint64_t since_ms;
};

static void
on_message(void *arg, struct msg *msg)
{
	(void)arg;
	(void)msg;
}

static void
on_gone(void *arg, const char *how, bool clean)
{
	struct dying *dying = arg;

	(void)clean;
	log_info(
	    "worker %u: process %d, which had crashed, is gone after %" PRIu64
	    " ms: it %s",
	    dying->worker + 1, (int)dying->pid, clock_ms() - dying->since_ms,
	    how);
	LIST_REMOVE(dying, entry);
	free(dying);
}

static const struct child_ops dying_ops = {
	.on_message = on_message,
	.on_gone = on_gone,
};

/*
 * Threads that a plugin started may outlive the main thread, and keep its
 * descriptors open.
 */
static void
end_other_threads(pid_t pid)
{
	struct process_view view;

	if (process_look(pid, &view) && view.state == 'Z')
		kill(pid, SIGKILL);
}

static unsigned int
count(const struct workers *workers, uint32_t worker)
{
	const struct dying *dying;
	unsigned int n = 0;

	LIST_FOREACH(dying, &workers->dying, entry)
		n += dying->worker == worker;
	return n;
}

void
worker_presume_dead(struct worker_row *worker, const char *how)
{
	struct workers *workers = worker->workers;
	struct dying *dying;
	char text[256];

	/* If it ran on, two processes would serve as one worker. */
	if (!process_looks_dead(worker->pid)) {
		child_kill(worker->child, "crashed, but did not end");
		return;
	}
	end_other_threads(worker->pid);
	if (count(workers, worker->number) >= DYING_MAX ||
	    (dying = calloc(1, sizeof(*dying))) == NULL)
		return; /* no successor until this one or an earlier one ends */
	dying->child = worker->child;
	dying->worker = worker->number;
	dying->pid = worker->pid;
	dying->since_ms = clock_ms();
	LIST_INSERT_HEAD(&workers->dying, dying, entry);
	child_pass(worker->child, &dying_ops, dying);
	snprintf(text, sizeof(text), "%s and is not gone yet", how);
	worker_gone(worker, text, false);
}

void
workers_look_at_dying(struct workers *workers)
{
	struct dying *dying;

	LIST_FOREACH(dying, &workers->dying, entry)
		if (!process_looks_dead(dying->pid))
			child_kill(dying->child,
			    "had crashed, but did not end");
}

void
workers_each_dying(const struct workers *workers,
    void (*each)(void *arg, uint32_t number, pid_t pid), void *arg)
{
	const struct dying *dying;

	LIST_FOREACH(dying, &workers->dying, entry)
		each(arg, dying->worker, dying->pid);
}

void
workers_free_dying(struct workers *workers)
{
	struct dying *dying;

	while ((dying = LIST_FIRST(&workers->dying)) != NULL) {
		LIST_REMOVE(dying, entry);
		child_free(dying->child);
		free(dying);
	}
}

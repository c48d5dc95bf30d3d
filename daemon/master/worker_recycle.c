/*
 * worker_recycle.c: another process in place of the one that serves as a worker.
 * The new one comes up beside it, as after a death, and only when it is
 * prepared does it take the number over, and with it the sockets and what waits
 * in them.  The old one then accepts no more, serves what it has, and leaves
 * when that has ended or drain_timeout is over.  If the new one fails, the old
 * one has noticed nothing.
 */

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "ipc/board.h"
#include "ipc/msg.h"
#include "ipc/shm.h"
#include "master/child.h"
#include "master/crashes.h"
#include "master/event_in.h"
#include "master/events.h"
#include "master/worker_row.h"
#include "master/workers.h"

#define REPLACED_MAX (PLACES_PER_WORKER - 1) /* of each worker */

/* It is over: tell, but from the loop, since the caller may be deep in the stack. */
static void
finish(struct workers *workers, bool good)
{
	workers->recycle.row = NULL;
	workers->recycle.good = good;
	event_in(workers->recycle.over, 0);
}

void
workers_recycled_cb(evutil_socket_t fd, short what, void *arg)
{
	struct workers *workers = arg;
	void (*on_done)(void *, bool, const char *) = workers->recycle.on_done;

	(void)fd;
	(void)what;
	workers->recycle.busy = false;
	workers->recycle.on_done = NULL;
	if (on_done != NULL)
		on_done(workers->recycle.arg, workers->recycle.good,
		    workers->recycle.text);
}

static unsigned int
count_replaced(const struct workers *workers, uint32_t number)
{
	unsigned int count = 0;

	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].number == number &&
		    workers->row[i].state == WORKER_REPLACED)
			count++;
	return count;
}

/* There is one, since each worker has few processes that were replaced. */
static struct worker_row *
free_place(struct workers *workers)
{
	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].number == NO_WORKER)
			return &workers->row[i];
	return NULL;
}

/* Why it cannot be replaced now; NULL: it can. */
static const char *
obstacle(const struct workers *workers, const struct worker_row *worker)
{
	if (workers->stopping)
		return "sluiced is stopping";
	if (workers->recycle.busy)
		return "another worker is being recycled";
	if (workers->in_transaction)
		return "a reload runs";
	for (uint32_t i = 0; i < workers->count; i++)
		if (workers->by_number[i]->trial)
			return "a canary runs";
	if (worker->state != WORKER_SERVING || worker->behind ||
	    worker_has_to_answer(worker))
		return "it is not serving, or has not answered";
	return NULL;
}

int
workers_recycle(struct workers *workers, uint32_t number, const char *who,
    void (*on_done)(void *arg, bool good, const char *text), void *arg,
    struct error *err)
{
	struct worker_row *old = workers->by_number[number], *worker;
	const char *why = obstacle(workers, old);

	worker = free_place(workers);
	if (why == NULL &&
	    (worker == NULL || count_replaced(workers, number) >= REPLACED_MAX))
		why = "too many of its processes that were replaced still have "
		      "connections";
	if (why != NULL)
		return error_set(err, "worker %u cannot be recycled now: %s",
		    number + 1, why);
	event_log(EVENT_COMMAND, LOG_LEVEL_INFO, "worker %u: recycling it (%s)",
	    number + 1, who);
	worker->number = number;
	worker->replaces = old;
	if (worker_spawn(worker, err) == -1) {
		worker->number = NO_WORKER;
		worker->replaces = NULL;
		return -1;
	}
	workers->recycle.busy = true;
	workers->recycle.called_off = false;
	workers->recycle.row = worker;
	workers->recycle.on_done = on_done;
	workers->recycle.arg = arg;
	worker_join(worker);
	return 0;
}

bool
workers_recycling(const struct workers *workers)
{
	return workers->recycle.busy;
}

void
workers_recycle_forget(struct workers *workers, const void *arg)
{
	if (workers->recycle.arg == arg)
		workers->recycle.on_done = NULL;
}

void
workers_recycle_call_off(struct workers *workers)
{
	struct worker_row *worker = workers->recycle.row;

	/* After it has taken over there is no way back. */
	if (worker == NULL || worker->replaces == NULL)
		return;
	workers->recycle.called_off = true;
	child_kill(worker->child, "was called off");
}

/* It has connections: they are its own until they end. */
static void
retire(struct worker_row *old)
{
	const struct msg msg = { .type = MSG_STOP, .stop.now = false };

	worker_tell(old, &msg);
	worker_set_state(old, WORKER_REPLACED);
}

/* It is the worker of its number from now on, and has what goes with that. */
static void
succeed(struct worker_row *worker, const struct worker_row *old)
{
	worker->replaces = NULL;
	worker->aborts = old->aborts;
	worker->starts = old->starts;
	worker->backoff_ms = old->backoff_ms;
	worker->workers->by_number[worker->number] = worker;
}

void
worker_take_over(struct worker_row *worker)
{
	struct workers *workers = worker->workers;
	struct worker_row *old = worker->replaces;

	if (old == NULL)
		return;
	succeed(worker, old);
	worker->backoff_ms = 0;
	snprintf(workers->recycle.text, sizeof(workers->recycle.text),
	    "worker %u: process %d in place of %d, whose connections go on: "
	    "%" PRIu64,
	    worker->number + 1, (int)worker->pid, (int)old->pid,
	    shm_worker_connections(workers->shm, old->index));
	retire(old);
}

bool
worker_has_successor(struct worker_row *old)
{
	struct workers *workers = old->workers;
	struct worker_row *worker = workers->recycle.row;

	if (worker == NULL || worker->replaces != old ||
	    workers->recycle.called_off)
		return false;
	succeed(worker, old);
	snprintf(workers->recycle.text, sizeof(workers->recycle.text),
	    "worker %u: process %d in place of %d, which has died",
	    worker->number + 1, (int)worker->pid, (int)old->pid);
	old->number = NO_WORKER;
	return true;
}

void
worker_took_over(struct worker_row *worker)
{
	struct workers *workers = worker->workers;

	if (workers->recycle.row != worker)
		return;
	event_log(EVENT_COMMAND, LOG_LEVEL_INFO, "%s", workers->recycle.text);
	finish(workers, true);
}

void
worker_recycle_failed(struct worker_row *worker, const char *how)
{
	struct workers *workers = worker->workers;

	if (workers->recycle.row != worker)
		return;
	if (workers->recycle.called_off)
		how = "was called off for a reload";
	snprintf(workers->recycle.text, sizeof(workers->recycle.text),
	    "worker %u: its new process %s; %s", worker->number + 1, how,
	    worker->replaces != NULL ? "the old one goes on"
				     : "it is started again");
	event_tell(&(struct event){
	    .kind = EVENT_COMMAND,
	    .level = LOG_LEVEL_WARN,
	    .text = workers->recycle.text,
	    .worker = worker->number + 1,
	});
	finish(workers, false);
}

void
workers_recycle_stop(struct workers *workers)
{
	if (workers->recycle.row != NULL)
		worker_recycle_failed(workers->recycle.row, "is stopped");
}

bool
worker_is_beside(const struct worker_row *worker)
{
	return worker->replaces != NULL || worker->state == WORKER_REPLACED;
}

void
worker_left(struct worker_row *worker, const char *how, bool clean,
    struct crash *crash)
{
	bool was_replaced = worker->state == WORKER_REPLACED;

	if (was_replaced && clean && worker->died_in == CALLBACK_NONE) {
		log_info("worker %u: process %d, which was replaced, has ended",
		    worker->number + 1, (int)worker->pid);
	} else if (!was_replaced && worker->workers->recycle.called_off) {
		log_info("worker %u: process %d, which was to replace another, "
			 "was called off for a reload",
		    worker->number + 1, (int)worker->pid);
	} else {
		log_errorx("worker %u: process %d, which was %s, %s%s",
		    worker->number + 1, (int)worker->pid,
		    was_replaced ? "replaced" : "to replace another", how,
		    crash->connections > 0 ? "; its connections are lost" : "");
		crash_log(crash);
		crash->beside = true;
		worker->workers->ops->on_crash(worker->workers->arg, crash);
	}
	worker_recycle_failed(worker, how);
	worker->replaces = NULL;
	worker->served = worker->trial = worker->behind = false;
	worker->number = NO_WORKER;
	worker_set_state(worker, WORKER_DOWN);
}

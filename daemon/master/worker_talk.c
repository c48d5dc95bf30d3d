/*
 * worker_talk.c: messages from workers, which are untrusted, since plugins run
 * there.  A worker that sends an unexpected message is killed.
 */

#include <stdio.h>

#include "base/container_of.h"
#include "base/log.h"
#include "ipc/board.h"
#include "ipc/msg.h"
#include "master/ask.h"
#include "master/child.h"
#include "master/events.h"
#include "master/worker_row.h"
#include "master/workers.h"

#define PROBLEMS_PER_S 100 /* of one worker */
#define SLOWS_PER_S 20	   /* the same */

/*
 * Answers come in the order of the questions: those to aborted PREPAREs are
 * dropped.
 */
static bool
take_answer(struct worker_row *worker, bool good)
{
	if (worker->unanswered == 0)
		return false;
	worker->unanswered--;
	if (worker->unanswered_aborted > 0)
		worker_answered_aborted(worker);
	else if (good)
		worker_prepared(worker);
	else
		worker_refused(worker);
	return true;
}

static void
sum_up_problems(struct log_limit *limit, uint32_t skipped)
{
	const struct worker_row *worker =
	    container_of(limit, struct worker_row, problem_limit);

	log_warnx("worker %u: %u more problems were left out",
	    worker->number + 1, skipped);
}

static void
take_problem(struct worker_row *worker, const struct msg *msg)
{
	struct workers *workers = worker->workers;

	/* Drop problems of an aborted attempt. */
	if (worker->unanswered > 0 && worker->state != WORKER_PREPARING &&
	    worker->state != WORKER_JOINING)
		return;
	worker->problem_limit.sum_up = sum_up_problems;
	if (log_limit(&worker->problem_limit, PROBLEMS_PER_S, NULL))
		workers->ops->on_problem(workers->arg, worker->number,
		    (int)msg->problem.level, msg->problem.file,
		    msg->problem.line, msg->problem.text);
}

static void
sum_up_slow(struct log_limit *limit, uint32_t skipped)
{
	const struct worker_row *worker =
	    container_of(limit, struct worker_row, slow_limit);
	char text[96];

	snprintf(text, sizeof(text), "worker %u: %u more callbacks were slow",
	    worker->number + 1, skipped);
	event_tell(&(struct event){
	    .kind = EVENT_SLOW,
	    .level = LOG_LEVEL_WARN,
	    .text = text,
	    .worker = worker->number + 1,
	});
}

/* The worker has logged it. */
static void
take_slow(struct worker_row *worker, const struct msg *msg)
{
	worker->slow_limit.sum_up = sum_up_slow;
	if (!log_limit(&worker->slow_limit, SLOWS_PER_S, NULL))
		return;
	event_tell(&(struct event){
	    .kind = EVENT_SLOW,
	    .level = LOG_LEVEL_WARN,
	    .text = msg->slow.text,
	    .worker = worker->number + 1,
	    .pid = worker->pid,
	    .listener = msg->slow.listener,
	    .plugin = msg->slow.plugin,
	    .callback = callback_name(msg->slow.callback),
	    .ms = msg->slow.ms,
	});
}

static void
take_stop_listener(struct worker_row *worker, const struct msg *msg)
{
	struct workers *workers = worker->workers;

	if (!workers->stopping)
		workers->ops->on_stop_listener(workers->arg, worker->number,
		    msg->stop_listener.name, msg->stop_listener.plugin,
		    msg->stop_listener.close_active);
}

/* Returns false when the worker broke the protocol. */
static bool
take(struct worker_row *worker, const struct msg *msg)
{
	struct workers *workers = worker->workers;

	switch (msg->type) {
	case MSG_PROBLEM:
		take_problem(worker, msg);
		return true;
	case MSG_PREPARED:
	case MSG_REFUSED:
		return take_answer(worker, msg->type == MSG_PREPARED);
	case MSG_COMMITTED:
		if (worker->state == WORKER_LEAVING)
			return true; /* it was sent before our STOP arrived */
		if (worker->state != WORKER_COMMITTING &&
		    worker->state != WORKER_ENTERING)
			return false;
		worker_committed(worker);
		return true;
	case MSG_DONE:
		if (worker->unconfirmed == 0)
			return false;
		worker_done(worker);
		return true;
	case MSG_NO_TICKETS:
		worker_lost_tickets(worker);
		return true;
	case MSG_LISTED: /* it may come too late */
		ask_answered(worker, msg->listed.serial);
		return true;
	case MSG_RELOAD:
		if (!workers->stopping)
			workers->ops->on_reload(workers->arg, worker->number);
		return true;
	case MSG_SLOW:
		take_slow(worker, msg);
		return true;
	case MSG_STOP_LISTENER:
		take_stop_listener(worker, msg);
		return true;
	default:
		return false;
	}
}

static void
on_message(void *arg, struct msg *msg)
{
	struct worker_row *worker = arg;

	if (worker->child != NULL && !take(worker, msg) &&
	    worker->child != NULL)
		child_kill(worker->child, "broke the protocol");
}

static void
on_gone(void *arg, const char *how, bool clean)
{
	struct worker_row *worker = arg;

	worker_gone(worker, how, clean);
}

const struct child_ops worker_child_ops = {
	.on_message = on_message,
	.on_gone = on_gone,
};

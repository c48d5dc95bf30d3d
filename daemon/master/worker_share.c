/*
 * worker_share.c: what all workers have in common: the rows of the shared memory,
 * and the keys for session tickets.
 */

#include <errno.h>

#include "base/log.h"
#include "ipc/msg.h"
#include "ipc/shm.h"
#include "master/child.h"
#include "master/tickets.h"
#include "master/worker_row.h"

/* 0, also when the worker is dead; or -1. */
static int
send_to(const struct worker_row *worker, const struct msg *msg)
{
	if (child_send(worker->child, msg) == 0)
		return 0;
	return errno == EPIPE ? 0 : -1;
}

/* Send row `of` of the shared memory to worker `to`.  As send_to(). */
static int
send_row(const struct worker_row *of, const struct worker_row *to)
{
	struct msg msg = { .type = MSG_ROW, .row.worker = of->index };

	msg.fd = shm_row_fd(of->workers->shm, of->index, &msg.row.serial);
	return send_to(to, &msg);
}

int
worker_send_rows(const struct worker_row *to)
{
	const struct workers *workers = to->workers;

	if (send_row(to, to) == -1)
		return -1;
	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].child != NULL && workers->row[i].shown &&
		    send_row(&workers->row[i], to) == -1)
			return -1;
	return 0;
}

int
worker_show_row(struct worker_row *worker)
{
	struct workers *workers = worker->workers;

	if (worker->shown)
		return 0;
	if (!shm_row_sealed(workers->shm, worker->index)) {
		child_kill(worker->child, "broke the protocol");
		return -1;
	}
	for (uint32_t i = 0; i < workers->places; i++) {
		if (i == worker->index || workers->row[i].child == NULL ||
		    send_row(worker, &workers->row[i]) == 0)
			continue;
		log_error("cannot share the counts of worker %u with worker %u",
		    worker->number + 1, workers->row[i].number + 1);
		child_kill(worker->child,
		    "could not share its counts with the others");
		return -1;
	}
	worker->shown = true;
	shm_show_row(workers->shm, worker->index);
	return 0;
}

int
worker_send_tickets(struct worker_row *worker)
{
	const struct msg msg = {
		.type = MSG_TICKETS,
		.fd = tickets_fd(worker->workers->tickets),
	};

	if (send_to(worker, &msg) == -1)
		return -1;
	worker->tickets = tickets_number(worker->workers->tickets);
	return 0;
}

/* What is wrong is said once for each change of the keys. */
static int
share_tickets(struct worker_row *worker)
{
	uint32_t newest = tickets_number(worker->workers->tickets);

	if (worker->child == NULL || worker->tickets == newest)
		return 0;
	if (worker_send_tickets(worker) == -1) {
		if (worker->tickets_missed != newest)
			log_error("worker %u goes on with the old keys for "
				  "session tickets, and is tried again every "
				  "second: cannot send the new ones",
			    worker->number + 1);
		worker->tickets_missed = newest;
		return -1;
	}
	if (worker->tickets_missed == newest)
		log_info("worker %u has the new keys for session tickets now",
		    worker->number + 1);
	return 0;
}

int
workers_share_tickets(struct workers *workers)
{
	int rc = 0;

	for (uint32_t i = 0; i < workers->places; i++)
		if (share_tickets(&workers->row[i]) == -1)
			rc = -1;
	return rc;
}

void
worker_lost_tickets(struct worker_row *worker)
{
	worker->tickets = 0;
	tickets_lost(worker->workers->tickets);
}

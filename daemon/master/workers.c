/*
 * workers.c: the table, and what is done to all of them: the steps of a
 * transaction, and the end.  One state per worker; events change states: a
 * message, a death, the transaction's next step.
 */

#include "master/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "error.h"
#include "log.h"
#include "master/child.h"
#include "master/gen.h"
#include "master/worker_row.h"
#include "msg.h"
#include "settings.h"
#include "shm.h"

struct workers *
workers_new(struct event_base *base, struct children *children,
    const struct settings *settings, const struct workers_ops *ops, void *arg)
{
	uint32_t i, count = (uint32_t)settings->workers;
	struct workers *workers;

	workers = calloc(1, sizeof(*workers) + count * sizeof(workers->row[0]));
	if (workers == NULL)
		return NULL;
	workers->children = children;
	workers->ops = ops;
	workers->arg = arg;
	workers->count = count;
	workers->shm_fd = -1;
	workers->hello.workers = count;
	workers->hello.uid = settings->drop ? settings->uid : (uint32_t)-1;
	workers->hello.gid = settings->drop ? settings->gid : (uint32_t)-1;
	workers->shm = shm_new(count, &workers->shm_fd);
	for (i = 0; i < count; i++) {
		workers->row[i].workers = workers;
		workers->row[i].index = i;
		workers->row[i].timer =
		    event_new(base, -1, 0, worker_revive_cb, &workers->row[i]);
		if (workers->row[i].timer == NULL)
			break;
	}
	if (workers->shm == NULL || i < count) {
		workers_free(workers);
		return NULL;
	}
	return workers;
}

void
workers_free(struct workers *workers)
{
	uint32_t i;

	if (workers == NULL)
		return;
	for (i = 0; i < workers->count; i++) {
		child_free(workers->row[i].child);
		if (workers->row[i].timer != NULL)
			event_free(workers->row[i].timer);
	}
	gen_unref(workers->committed);
	shm_unmap(workers->shm);
	if (workers->shm_fd != -1)
		close(workers->shm_fd);
	free(workers);
}

uint32_t
workers_count(const struct workers *workers)
{
	return workers->count;
}

struct shm *
workers_shm(const struct workers *workers)
{
	return workers->shm;
}

uint32_t
workers_alive(const struct workers *workers)
{
	uint32_t i, alive = 0;

	for (i = 0; i < workers->count; i++)
		if (workers->row[i].child != NULL)
			alive++;
	return alive;
}

bool
workers_settled(const struct workers *workers)
{
	uint32_t i;

	for (i = 0; i < workers->count; i++)
		if (workers->row[i].state == WORKER_JOINING ||
		    workers->row[i].state == WORKER_ENTERING)
			return false;
	return true;
}

int
workers_start(struct workers *workers, struct error *err)
{
	uint32_t i;

	for (i = 0; i < workers->count; i++)
		if (worker_spawn(&workers->row[i], err) == -1)
			return -1;
	return 0;
}

void
workers_hold(struct workers *workers)
{
	workers->in_transaction = true;
}

static void
revive_due(struct workers *workers)
{
	uint32_t i;

	workers->in_transaction = false;
	for (i = 0; i < workers->count; i++)
		if (workers->row[i].due)
			worker_schedule(&workers->row[i], 0);
}

int
workers_prepare(struct workers *workers, struct gen *gen, uint32_t *ret_asked,
    struct error *err)
{
	struct worker_row *worker;
	uint32_t i, asked = 0;

	workers->in_transaction = true;
	for (i = 0; i < workers->count; i++) {
		worker = &workers->row[i];
		if (worker->state != WORKER_SERVING &&
		    worker->state != WORKER_IDLE)
			continue;
		worker_set_state(worker, WORKER_PREPARING);
		/* Ours is the trouble: no reason to end one that serves. */
		if (worker_send_generation(worker, gen, err) == -1)
			return -1;
		asked++;
	}
	*ret_asked = asked;
	return 0;
}

uint32_t
workers_commit(struct workers *workers, struct gen *gen)
{
	struct gen *old = workers->committed;
	struct worker_row *worker;
	uint32_t i, asked = 0;

	workers->committed = gen_ref(gen);
	gen_unref(old);
	for (i = 0; i < workers->count; i++) {
		worker = &workers->row[i];
		if (worker->state == WORKER_PREPARED) {
			child_deadline(worker->child, WORKER_ANSWER_MS,
			    "took longer than 5 s to commit");
			worker_set_state(worker, WORKER_COMMITTING);
			child_send(worker->child, MSG_COMMIT, gen->number, NULL,
			    NULL, 0, -1);
			asked++;
		} else if (worker->state == WORKER_DOWN) {
			/* New code: it may well live now. */
			worker->backoff_ms = 0;
			worker->due = true;
		}
	}
	revive_due(workers);
	return asked;
}

void
workers_abort(struct workers *workers, struct gen *gen)
{
	struct worker_row *worker;
	uint32_t i;

	for (i = 0; i < workers->count; i++) {
		worker = &workers->row[i];
		if (worker->state != WORKER_PREPARING &&
		    worker->state != WORKER_PREPARED)
			continue;
		child_send(worker->child, MSG_ABORT, gen->number, NULL, NULL, 0,
		    -1);
		worker_set_state(worker,
		    worker->served ? WORKER_SERVING : WORKER_IDLE);
	}
	revive_due(workers);
}

void
workers_list_late(const struct workers *workers, char *text, unsigned int size)
{
	size_t used = 0;
	uint32_t i;

	text[0] = '\0';
	for (i = 0; i < workers->count && used + 16 < size; i++)
		if (workers->row[i].state == WORKER_PREPARING)
			used += (size_t)snprintf(text + used, size - used,
			    "%sworker %u", used == 0 ? "" : ", ", i + 1);
}

void
workers_stop_listener(struct workers *workers, const char *name, bool close_active)
{
	uint32_t i, arg[4] = { close_active, 0, 0, 0 };

	for (i = 0; i < workers->count; i++)
		if (workers->row[i].child != NULL)
			child_send(workers->row[i].child, MSG_STOP_LISTENER, 0,
			    arg, name, strlen(name) + 1, -1);
}

void
workers_stop(struct workers *workers, bool now)
{
	uint32_t i, arg[4] = { now, 0, 0, 0 };

	workers->stopping = true;
	for (i = 0; i < workers->count; i++) {
		event_del(workers->row[i].timer);
		if (workers->row[i].child == NULL)
			continue;
		child_deadline(workers->row[i].child, 0, NULL);
		child_send(workers->row[i].child, MSG_STOP, 0, arg, NULL, 0, -1);
		if (workers->row[i].state != WORKER_LEAVING)
			worker_set_state(&workers->row[i], WORKER_LEAVING);
	}
}

void
workers_kill(struct workers *workers)
{
	uint32_t i;

	for (i = 0; i < workers->count; i++)
		if (workers->row[i].child != NULL)
			child_kill(workers->row[i].child, "did not stop in time");
}

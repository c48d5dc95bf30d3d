/*
 * worker_groups.c: which workers there are.  A worker stays in its group for as
 * long as it lives.  A group that grows, or is new, gets workers that were in
 * no group; one that shrinks, or is gone, leaves its last ones to drain.
 */

#include "config/worker_groups.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "ipc/msg.h"
#include "master/gen.h"
#include "master/worker_row.h"
#include "master/workers.h"

bool
worker_is_wanted(const struct worker_row *worker)
{
	const struct gen *committed = worker->workers->committed;

	return committed != NULL && worker->number != NO_WORKER &&
	    worker->workers->by_number[worker->number] == worker &&
	    committed->worker_groups[worker->number] != NO_GROUP;
}

/* present: the groups that workers are in.  Returns how many it still needs. */
static uint32_t
keep_members(struct gen *gen, uint16_t group, const char *name, uint32_t size,
    const char *const present[WORKERS_MAX])
{
	for (uint32_t i = 0; i < WORKERS_MAX && size > 0; i++) {
		if (present[i] == NULL || strcmp(present[i], name) != 0)
			continue;
		gen->worker_groups[i] = group;
		size--;
	}
	return size;
}

/* Returns how many were not to be had. */
static uint32_t
add_members(struct workers *workers, struct gen *gen, uint16_t group,
    uint32_t size, const char *const present[WORKERS_MAX])
{
	for (uint32_t i = 0; i < WORKERS_MAX && size > 0; i++) {
		if (gen->worker_groups[i] != NO_GROUP || present[i] != NULL ||
		    workers->by_number[i]->state != WORKER_DOWN)
			continue;
		gen->worker_groups[i] = group;
		if (workers->count <= i)
			workers->count = i + 1;
		size--;
	}
	return size;
}

static int
start_new(struct workers *workers, const struct gen *gen, struct error *err)
{
	for (uint32_t i = 0; i < workers->count; i++)
		if (gen->worker_groups[i] != NO_GROUP &&
		    workers->by_number[i]->state == WORKER_DOWN &&
		    !worker_is_wanted(workers->by_number[i]) &&
		    worker_spawn(workers->by_number[i], err) == -1)
			return -1;
	return 0;
}

int
workers_assign(struct workers *workers, struct gen *gen, struct error *err)
{
	uint32_t groups = worker_groups(gen->settings), left[WORKERS_MAX];
	const char *present[WORKERS_MAX];
	struct worker_group group;

	for (uint32_t i = 0; i < WORKERS_MAX; i++) {
		gen->worker_groups[i] = NO_GROUP;
		present[i] = workers->committed != NULL
		    ? gen_group_name(workers->committed, i)
		    : NULL;
	}
	for (uint32_t i = 0; i < groups; i++) {
		group = worker_group(gen->settings, i);
		/* The number of CPUs may have changed; the first one holds. */
		if (i == 0)
			group.workers = workers->own;
		left[i] = keep_members(gen, (uint16_t)i, group.name,
		    group.workers, present);
	}
	for (uint32_t i = 0; i < groups; i++)
		if (add_members(workers, gen, (uint16_t)i, left[i], present) >
		    0)
			return error_set(err,
			    "there may be %d workers, and some that are in no "
			    "group any more still serve connections; reload "
			    "again when these have ended",
			    WORKERS_MAX);
	return start_new(workers, gen, err);
}

void
workers_dismiss(struct workers *workers)
{
	const struct msg stop = { .type = MSG_STOP };
	struct worker_row *worker;

	if (workers->stopping)
		return;
	for (uint32_t i = 0; i < workers->count; i++) {
		worker = workers->by_number[i];
		if ((worker->state != WORKER_IDLE &&
			worker->state != WORKER_SERVING) ||
		    worker_is_wanted(worker))
			continue;
		/* Of a start that fails, it is none that serves. */
		if (workers->committed != NULL)
			log_info("worker %u is in no group any more, and "
				 "leaves when its connections have ended",
			    i + 1);
		worker_tell(worker, &stop);
		worker_set_state(worker, WORKER_LEAVING);
	}
}

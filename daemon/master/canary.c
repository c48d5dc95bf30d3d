/*
 * canary.c: compares counts from the shared memory.  Workers write them, so
 * they are used for this comparison only.
 */

#include "master/canary.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "master/gen.h"

uint32_t
canary_size(const struct gen *committed, const struct gen *next,
    const char **ret_why)
{
	uint64_t wanted = (uint64_t)next->settings->canary.workers;
	uint32_t workers = gen_workers(next, 0);
	uint32_t size = wanted >= workers ? workers - 1 : (uint32_t)wanted;

	*ret_why = NULL;
	if (wanted == 0 || next->settings->canary.time_ms == 0)
		return 0;
	if (size == 0)
		*ret_why = "there is only one worker";
	else if (!gen_same_groups(committed, next))
		*ret_why = "the groups of workers change";
	else if (gen_takes_sockets(committed, next, size))
		*ret_why = "it takes addresses away from workers";
	return *ret_why == NULL ? size : 0;
}

static struct canary_counts
counts_of(const struct canary *canary, const struct shm *shm, uint32_t worker)
{
	struct canary_counts counts = { 0, 0 };
	struct counts_sum sum = { 0 };

	for (unsigned int i = 0; i < LISTENERS_MAX; i++)
		if (!canary->lonely[i])
			shm_add_counts(shm, canary->place[worker], i, &sum);
	for (unsigned int i = COUNT_CLOSED; i <= COUNT_CLOSED_LAST; i++)
		counts.closed += sum.value[i];
	counts.failed = sum.value[COUNT_FAILED];
	return counts;
}

/*
 * While the peer of such a connector is down, the one worker that tries to
 * connect fails more often than the others, whatever generation it serves.
 */
static void
find_lonely(struct canary *canary, const struct gen *gen)
{
	memset(canary->lonely, 0, sizeof(canary->lonely));
	for (uint32_t i = 0; i < gen->socket_count; i++)
		if (gen->sockets[i].bare &&
		    gen->sockets[i].worker != ALL_WORKERS)
			canary->lonely[gen->slots[gen->sockets[i].endpoint]] =
			    true;
}

void
canary_begin(struct canary *canary, struct shm *shm, uint32_t workers,
    const struct gen *next)
{
	const struct canary_settings *settings = &next->settings->canary;

	canary->until_ms = clock_ms() + settings->time_ms;
	canary->errors = (unsigned int)settings->errors;
	find_lonely(canary, next);
	for (uint32_t i = 0; i < workers; i++)
		canary->start[i] = counts_of(canary, shm, i);
}

bool
canary_over(const struct canary *canary)
{
	return clock_ms() >= canary->until_ms;
}

/* What workers from first to end have added since the start. */
static struct canary_counts
added(const struct canary *canary, struct shm *shm, uint32_t first,
    uint32_t end)
{
	struct canary_counts sum = { 0, 0 }, now;

	for (uint32_t i = first; i < end; i++) {
		now = counts_of(canary, shm, i);
		/* A worker that was started again counts from 0. */
		if (now.closed >= canary->start[i].closed &&
		    now.failed >= canary->start[i].failed) {
			now.closed -= canary->start[i].closed;
			now.failed -= canary->start[i].failed;
		}
		sum.closed += now.closed;
		sum.failed += now.failed;
	}
	return sum;
}

/* The counts of all workers before the trial. */
static struct canary_counts
before(const struct canary *canary, uint32_t workers)
{
	struct canary_counts sum = { 0, 0 };

	for (uint32_t i = 0; i < workers; i++) {
		sum.closed += canary->start[i].closed;
		sum.failed += canary->start[i].failed;
	}
	return sum;
}

static double
per_cent(struct canary_counts counts)
{
	return counts.closed == 0
	    ? 0
	    : 100.0 * (double)counts.failed / (double)counts.closed;
}

bool
canary_fails(const struct canary *canary, struct shm *shm, uint32_t workers,
    char text[160])
{
	struct canary_counts tried = added(canary, shm, 0, canary->size),
			     others = added(canary, shm, canary->size, workers);
	const char *where = "in the other workers";

	if (tried.closed < CANARY_SAMPLE)
		return false;
	if (others.closed < CANARY_SAMPLE) {
		others = before(canary, workers);
		where = "before";
	}
	if (others.closed < CANARY_SAMPLE)
		others.closed = others.failed = 0;
	if (per_cent(tried) <= per_cent(others) + canary->errors)
		return false;
	snprintf(text, 160,
	    "%.0f %% of %llu connections ended with an error, "
	    "and %.0f %% of %llu %s",
	    per_cent(tried), (unsigned long long)tried.closed, per_cent(others),
	    (unsigned long long)others.closed, where);
	return true;
}

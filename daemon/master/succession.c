/*
 * succession.c: what the master does for the programs before and after it.
 */

#include "master/succession.h"

#include <stdlib.h>

#include "config/settings.h"
#include "master/bygones.h"
#include "master/gen.h"
#include "master/leaving.h"
#include "master/reload.h"
#include "master/upgrade.h"
#include "master/workers.h"

static const char *
on_upgrade_why_not(void *arg)
{
	const struct succession *succession = arg;
	const struct takeover_parts *parts = &succession->parts;

	if (leaving_begun(succession->leaving))
		return "sluiced is stopping";
	if (reload_committed(parts->reload) == NULL)
		return "nothing is served yet";
	if (!reload_is_idle(parts->reload))
		return "a reload runs; try again when it is over";
	if (workers_recycling(parts->workers))
		return "a worker is being recycled; try again when that is "
		       "over";
	return NULL;
}

static void
on_upgrade_hand_over(void *arg, struct handover *handover)
{
	const struct succession *succession = arg;

	takeover_pack(&succession->parts, handover);
}

static const struct upgrade_ops upgrade_ops = {
	.why_not = on_upgrade_why_not,
	.hand_over = on_upgrade_hand_over,
};

int
succession_init(struct succession *succession, struct event_base *base,
    struct children *children, const char *config, void (*on_gone)(void *arg),
    void *arg)
{
	struct takeover_parts *parts = &succession->parts;

	parts->bygones = bygones_new(base, children, on_gone, arg);
	succession->upgrade =
	    upgrade_new(base, config, &upgrade_ops, succession);
	if (parts->bygones == NULL || succession->upgrade == NULL)
		return -1;
	return takeover_modules(&succession->takeover, parts);
}

void
succession_done(struct succession *succession)
{
	upgrade_free(succession->upgrade);
	bygones_free(succession->parts.bygones);
}

int
succession_workers(struct succession *succession, struct workers *workers,
    struct slots *slots)
{
	succession->parts.workers = workers;
	succession->parts.slots = slots;
	return takeover_workers(&succession->takeover, workers, slots);
}

uint32_t
succession_left(const struct succession *succession)
{
	return bygones_count(succession->parts.bygones);
}

void
succession_commit(struct succession *succession,
    const struct settings *settings)
{
	bygones_drain(succession->parts.bygones, settings->upgrade_drain_ms);
}

void
succession_verdict(struct succession *succession, bool good)
{
	takeover_verdict(&succession->takeover, &succession->parts, good);
}

void
succession_stop(struct succession *succession, bool now)
{
	const struct gen *gen = reload_committed(succession->parts.reload);
	uint64_t ms = gen != NULL ? gen->settings->drain_timeout_ms : 0;

	upgrade_stop(succession->upgrade);
	if (now || leaving_begun(succession->leaving))
		ms = 0;
	bygones_drain(succession->parts.bygones, ms);
}

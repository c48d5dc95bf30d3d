/*
 * succession.c: what the master does for the programs before and after it.
 */

#include "master/succession.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "master/bygones.h"
#include "master/control_closed.h"
#include "master/gen.h"
#include "master/leaving.h"
#include "master/reload.h"
#include "master/sockets.h"
#include "master/upgrade.h"
#include "master/workers.h"

static const char *
on_upgrade_why_not(void *arg)
{
	const struct succession *succession = arg;
	const struct takeover_parts *parts = &succession->parts;

	if (leaving_begun(succession->leaving))
		return "sluiced is stopping";
	/* Those before us may serve, when we cannot: that is the way back. */
	if (reload_committed(parts->reload) == NULL &&
	    succession_left(succession) == 0)
		return "nothing is served yet";
	if (!reload_is_idle(parts->reload))
		return "a reload runs; try again when it is over";
	if (parts->workers != NULL && workers_recycling(parts->workers))
		return "a worker is being recycled; try again when that is "
		       "over";
	return NULL;
}

static void
on_upgrade_hand_over(void *arg, struct handover *handover)
{
	const struct succession *succession = arg;

	takeover_pack(&succession->takeover, &succession->parts, handover);
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

	succession->base = base;
	parts->bygones = bygones_new(base, children, on_gone, arg);
	succession->upgrade =
	    upgrade_new(base, children, config, &upgrade_ops, succession);
	if (parts->bygones == NULL || succession->upgrade == NULL)
		return -1;
	if (takeover_modules(&succession->takeover, parts) == -1)
		return -1;
	parts->started_s = succession->takeover.started_s;
	return 0;
}

void
succession_done(struct succession *succession)
{
	control_closed_free(succession->closed);
	upgrade_free(succession->upgrade);
	bygones_free(succession->parts.bygones);
	if (succession->parts.sockets != NULL)
		sockets_release(succession->parts.sockets);
}

void
succession_begin(struct succession *succession, struct workers *workers,
    struct slots *slots, const struct control *control)
{
	succession->parts.workers = workers;
	succession->parts.slots = slots;
	succession->parts.control = control;
	takeover_used(&succession->takeover);
}

uint32_t
succession_left(const struct succession *succession)
{
	return bygones_count(succession->parts.bygones);
}

void
succession_commit(struct succession *succession)
{
	/* A later generation is not told to them. */
	if (!succession->takeover.over)
		bygones_drain(succession->parts.bygones,
		    succession->takeover.upgrade_drain_ms, true);
}

bool
succession_failed(struct succession *succession)
{
	const struct reload *reload = succession->parts.reload;

	if (!succession->takeover.here || succession_left(succession) > 0 ||
	    reload_committed(reload) != NULL || !reload_is_idle(reload) ||
	    leaving_begun(succession->leaving))
		return false;
	takeover_failed(0);
	upgrade_stop(succession->upgrade);
	return true;
}

void
succession_make_way(struct succession *succession)
{
	control_closed_free(succession->closed);
	succession->closed = NULL;
}

/* Else its clients would wait until they lose patience. */
static void
answer_clients(struct succession *succession)
{
	char why[256];

	snprintf(why, sizeof(why),
	    "sluiced " PACKAGE_VERSION " could not begin to serve after an "
	    "upgrade, and its log says why; the old workers serve on; send "
	    "SIGHUP or SIGUSR2 to process %d, see Upgrade in sluiced(8)",
	    (int)getpid());
	if (succession->closed == NULL)
		succession->closed = control_closed_new(succession->base,
		    succession->takeover.control.fd, why);
}

void
succession_verdict(struct succession *succession, bool good)
{
	if (!good && succession->parts.control == NULL &&
	    succession->takeover.control.fd != -1)
		answer_clients(succession);
	else if (good)
		succession_make_way(succession);
	takeover_verdict(&succession->takeover, &succession->parts, good);
}

void
succession_stop(struct succession *succession, bool now)
{
	const struct takeover_parts *parts = &succession->parts;
	const struct gen *gen = reload_committed(parts->reload);
	uint64_t ms = succession->takeover.drain_ms;
	char text[TIME_TEXT_MAX];

	/* They go by their own limit, but the stop by ours. */
	if (gen != NULL && gen->settings->drain_timeout_ms < ms)
		ms = gen->settings->drain_timeout_ms;
	upgrade_stop(succession->upgrade);
	takeover_stop(&succession->takeover);
	if (now || leaving_begun(succession->leaving))
		ms = 0;
	if (ms > 0 && succession_left(succession) > 0)
		log_info("workers of the program before this one drain for at "
			 "most %s: %u",
		    duration_text(ms, text), succession_left(succession));
	bygones_drain(parts->bygones, ms, false);
	/* They accept what waits there before they close them. */
	sockets_release(parts->sockets);
}

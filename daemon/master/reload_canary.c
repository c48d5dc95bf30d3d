/*
 * reload_canary.c: the stages that only a transaction with a canary has.  It
 * goes from SETTLE to COMMIT twice: for the workers that try the generation,
 * and later for the others.  The others are not asked to prepare it sooner,
 * since what a plugin's `reload` takes over would be stale by then.  Until the
 * second COMMIT the committed generation is the old one, and workers that die
 * come up in the old one.
 */

#include <event2/event.h>
#include <stdio.h>

#include "base/log.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "master/event_in.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/notify.h"
#include "master/reload_internal.h"

#define TICK_MS 200 /* how often the workers of a canary are looked at */

static void
set_tick(struct reload *reload)
{
	event_in(reload->tick, TICK_MS);
}

void
reload_choose_part(struct reload *reload)
{
	const char *why = NULL;

	if (reload->part != WORKERS_ALL || reload->kind != KIND_RELOAD ||
	    reload->committed == NULL)
		return;
	reload->canary.size =
	    canary_size(reload->committed, reload->next, &why);
	if (reload->canary.size > 0 &&
	    !workers_set_trial(reload->workers, reload->canary.size))
		why = "not all workers that should try it are serving";
	else if (reload->canary.size > 0)
		reload->part = WORKERS_TRIAL;
	if (why != NULL)
		event_log(EVENT_CANARY, LOG_LEVEL_INFO,
		    "no canary for generation %u: %s", reload->next->number,
		    why);
}

void
reload_stage_canary(struct reload *reload)
{
	char time[32], workers[64];
	uint32_t number = reload->next->number, size = reload->canary.size;

	reload_set_state(reload, RELOAD_CANARY);
	duration_text(reload->next->settings->canary.time_ms, time);
	if (size == 1)
		snprintf(workers, sizeof(workers), "worker 1");
	else
		snprintf(workers, sizeof(workers), "workers 1 to %u", size);
	event_log(EVENT_CANARY, LOG_LEVEL_INFO,
	    "canary: generation %u serves in %s for %s", number, workers, time);
	notify_status("canary: generation %u serves in %s for %s", number,
	    workers, time);
	stops_apply(reload);
	for (uint32_t i = 0; i < workers_count(reload->workers); i++)
		reload->canary.place[i] = workers_place(reload->workers, i);
	canary_begin(&reload->canary, workers_shm(reload->workers),
	    gen_workers(reload->next, 0), reload->next);
	set_tick(reload);
}

void
reload_stage_back(struct reload *reload)
{
	event_del(reload->tick);
	event_del(reload->deadline);
	reload->part = WORKERS_ALL;
	reload_set_state(reload, RELOAD_BACK);
	reload_patience_begin(reload);
	workers_end_trial(reload->workers);
	if (workers_settled(reload->workers))
		reload_refuse(reload);
}

void
reload_tick_cb(int fd, short what, void *arg)
{
	struct reload *reload = arg;
	char text[160], time[32];

	(void)fd;
	(void)what;
	if (canary_fails(&reload->canary, workers_shm(reload->workers),
		gen_workers(reload->next, 0), text)) {
		verdict_say(&reload->verdict, "canary: %s", text);
		reload_stage_back(reload);
	} else if (canary_over(&reload->canary)) {
		event_log(EVENT_CANARY, LOG_LEVEL_INFO,
		    "canary: generation %u has passed its trial of %s; "
		    "the other workers follow",
		    reload->next->number,
		    duration_text(reload->next->settings->canary.time_ms,
			time));
		reload_stage_settle(reload);
	} else {
		set_tick(reload);
	}
}

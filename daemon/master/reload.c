/*
 * reload.c: the requests for a transaction, when the next one begins, and its
 * verdict.  The stages of one are in reload_stages.c.
 */

#include "master/reload.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/build.h"
#include "master/draining.h"
#include "master/event_in.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/notify.h"
#include "master/reload_internal.h"

/* Between two reloads, however often plugins ask. */
#define PLUGIN_PAUSE_MS 1000

static const char *const state_names[] = {
	[RELOAD_IDLE] = "idle",
	[RELOAD_BUILD] = "build",
	[RELOAD_SETTLE] = "settle",
	[RELOAD_PREPARE] = "prepare",
	[RELOAD_COMMIT] = "commit",
	[RELOAD_CANARY] = "canary",
	[RELOAD_BACK] = "back",
	[RELOAD_STOPPED] = "stopped",
};

void
reload_set_state(struct reload *reload, enum reload_state state)
{
	log_debug("reload: %s -> %s", state_names[reload->state],
	    state_names[state]);
	reload->state = state;
}

void
reload_schedule(struct reload *reload)
{
	uint64_t now = clock_ms(), begin = reload->ended_ms + reload->pause_ms;
	uint64_t wait_ms = 0;

	if (reload->state != RELOAD_IDLE)
		return;
	if (!reload->rollback && !reload->rescue &&
	    STAILQ_EMPTY(&reload->drains)) {
		if (!reload->wanted)
			return;
		if (begin > now)
			wait_ms = begin - now;
	}
	event_in(reload->again, wait_ms);
}

static void
tell_verdict(const struct reload *reload, bool good, const char *line)
{
	const struct gen *gen = reload->committed;

	event_tell(&(struct event){
	    .kind = EVENT_VERDICT,
	    .level = good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
	    .text = line,
	    .generation = gen != NULL ? gen->number : 0,
	    .problems = reload->verdict.text,
	    .changes = reload->changes.text,
	});
}

/* Give the verdict, which ends with this line. */
static void __attribute__((format(printf, 3, 4)))
conclude(struct reload *reload, bool good, const char *fmt, ...)
{
	struct timespec now;
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_at(good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s", line);
	notify_status("%s", line);
	snprintf(reload->last.reasons, sizeof(reload->last.reasons), "%s",
	    reload->verdict.text);
	tell_verdict(reload, good, line);
	verdict_note(&reload->verdict, line);
	clock_gettime(CLOCK_REALTIME, &now);
	reload->last.good = good;
	reload->last.time_ms =
	    (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	snprintf(reload->last.text, sizeof(reload->last.text), "%s", line);
}

/* It is over, whatever the verdict was. */
static void
finish(struct reload *reload, bool good)
{
	event_del(reload->deadline);
	event_del(reload->tick);
	reload->part = WORKERS_ALL;
	if (reload->workers != NULL) {
		workers_set_trial(reload->workers, 0);
		workers_dismiss(reload->workers);
	}
	reload->ended[0] = '\0';
	reload_set_state(reload, RELOAD_IDLE);
	reload->ended_ms = clock_ms();
	stops_apply(reload);
	waiters_tell(&reload->waiters, good, reload->verdict.text);
	verdict_clear(&reload->changes);
	reload_schedule(reload);
	reload->ops->on_done(reload->arg, good);
	reload->held_up = false;
}

void
reload_refuse(struct reload *reload)
{
	char text[64];

	if (reload->next != NULL)
		gen_end_sockets(reload->next);
	gen_unref(reload->next);
	reload->next = NULL;
	count_text(reload->verdict.problems, "problem", text);
	if (*reload->ended != '\0')
		conclude(reload, true, "%s; generation %u stays", reload->ended,
		    reload->committed->number);
	else if (reload->committed == NULL)
		conclude(reload, false, "could not start: %s", text);
	else if (reload->kind == KIND_RELOAD)
		conclude(reload, false,
		    "reload refused: %s; keeping generation %u", text,
		    reload->committed->number);
	else if (reload->kind == KIND_DRAIN)
		conclude(reload, false, "cannot %s: %s; generation %u stays",
		    reload->doing, text, reload->committed->number);
	else
		conclude(reload, false,
		    "cannot go back to generation %u: %s; "
		    "keeping generation %u",
		    reload->target, text, reload->committed->number);
	if (reload->committed != NULL)
		notify_ready();
	if (reload->kind == KIND_RESCUE) /* it was not rolled back */
		probation_forget(&reload->probation);
	finish(reload, false);
}

static void
on_change(void *arg, const struct origin *origin, const char *text)
{
	struct reload *reload = arg;

	(void)origin;
	verdict_add(&reload->changes, LOG_LEVEL_INFO, "", 0, text);
}

/* Log what it has changed, and keep it for those who wait. */
static void
tell_changes(struct reload *reload)
{
	const struct gen_teller teller = { on_change, reload };

	gen_tell_sockets(reload->committed, reload->old, &teller);
	if (reload->old != NULL && reload->kind != KIND_DRAIN &&
	    !gen_tell_changes(reload->committed, reload->old, &teller))
		log_info("no existing listener or connector has new code or "
			 "options");
	drains_tell(reload, &teller);
	aside_tell(reload, &teller);
	draining_tell(workers_shm(reload->workers),
	    workers_places(reload->workers), reload->slots, &teller);
}

void
reload_complete(struct reload *reload)
{
	const struct gen *gen = reload->committed;
	char listeners[64], connectors[64], workers[64];
	char what[256], drained[32] = "", as[64] = "", why[64] = "";
	char aside[32] = "";

	gen_unref(reload->tried);
	reload->tried = NULL;
	gen_apply(gen);
	tell_changes(reload);
	reload_retire(reload);
	if (reload->kind == KIND_RELOAD)
		probation_begin(&reload->probation,
		    gen->settings->probation_ms);
	if (gen->as != 0)
		snprintf(as, sizeof(as), " (as generation %u)", gen->as);
	if (reload->kind == KIND_RESCUE)
		snprintf(why, sizeof(why), "; generation %u crashed too often",
		    reload->probation.refused_number);
	count_text(gen->settings->listener_count, "listener", listeners);
	if (gen_drained(gen) > 0)
		snprintf(drained, sizeof(drained), " (drained: %u)",
		    gen_drained(gen));
	count_text(gen->settings->connector_count, "connector", connectors);
	count_text(gen_workers(gen, NO_GROUP), "worker", workers);
	if (gen_aside(gen) > 0)
		snprintf(aside, sizeof(aside), ", set aside: %u",
		    gen_aside(gen));
	snprintf(what, sizeof(what), "%s%s, %s%s%s%s", listeners, drained,
	    gen->settings->connector_count > 0 ? connectors : "",
	    gen->settings->connector_count > 0 ? ", " : "", workers, aside);
	conclude(reload, true, "generation %u ready%s: %s%s", gen->number, as,
	    what, why);
	notify_status("generation %u%s: %s%s", gen->number, as, what, why);
	notify_ready();
	finish(reload, true);
}

/* Begin what was asked for: a rollback goes before a reload. */
static void
reload_again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct reload *reload = arg;

	(void)fd;
	(void)what;
	if (reload->state != RELOAD_IDLE)
		return;
	if (reload->rollback || reload->rescue) {
		reload->kind = reload->rescue ? KIND_RESCUE : KIND_ROLLBACK;
		reload->rollback = reload->rescue = reload->by_plugin = false;
		waiters_begin(&reload->waiters, WAIT_ROLLBACK);
		reload_stage_again(reload);
	} else if (!STAILQ_EMPTY(&reload->drains)) {
		reload->kind = KIND_DRAIN;
		reload->by_plugin = false;
		waiters_begin(&reload->waiters, WAIT_DRAIN);
		reload_stage_drain(reload);
	} else if (reload->wanted) {
		reload->kind = KIND_RELOAD;
		reload->forced = reload->wanted_force;
		reload->by_plugin = reload->wanted_by_plugin;
		reload->wanted = reload->wanted_force = false;
		waiters_begin(&reload->waiters, WAIT_RELOAD);
		reload_stage_build(reload);
	}
}

static void
request(struct reload *reload, const char *who, unsigned int flags,
    unsigned int pause_ms)
{
	if (flags & RELOAD_FORCE)
		reload->wanted_force = true;
	/*
	 * A person's request is not delayed, and replaces that of a plugin.
	 */
	if (reload->wanted && pause_ms >= reload->pause_ms)
		return;
	snprintf(reload->who, sizeof(reload->who), "%s", who);
	reload->pause_ms = pause_ms;
	reload->wanted = true;
	reload->wanted_by_plugin = pause_ms > 0;
	reload_schedule(reload);
}

void
reload_request(struct reload *reload, const char *who)
{
	if (reload->state != RELOAD_STOPPED)
		request(reload, who, 0, 0);
}

void
reload_request_by_plugin(struct reload *reload, uint32_t worker)
{
	char who[64];

	snprintf(who, sizeof(who), "asked for by a plugin in worker %u",
	    worker + 1);
	if (reload->state != RELOAD_STOPPED)
		request(reload, who, 0, PLUGIN_PAUSE_MS);
}

static void
tell(const struct reload_waiter *waiter, bool good, const char *text)
{
	if (waiter != NULL)
		waiter->on_verdict(waiter->arg, good, text);
}

void
reload_request_for(struct reload *reload, const char *who, unsigned int flags,
    const struct reload_waiter *waiter)
{
	if (reload->state == RELOAD_STOPPED)
		tell(waiter, false, "sluiced is stopping");
	else if (waiter != NULL &&
	    waiters_add(&reload->waiters, waiter, WAIT_RELOAD, false) == -1)
		tell(waiter, false,
		    "too many clients wait for a reload already");
	else
		request(reload, who, flags, 0);
}

bool
reload_is_idle(const struct reload *reload)
{
	return reload->state == RELOAD_IDLE && !reload->wanted &&
	    !reload->rollback && !reload->rescue &&
	    STAILQ_EMPTY(&reload->drains);
}

struct reload *
reload_new(struct event_base *base, struct children *children,
    struct sockets *sockets, const char *config, const struct reload_ops *ops,
    void *arg)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (reload == NULL)
		return NULL;
	reload->children = children;
	reload->sockets = sockets;
	reload->config = config;
	reload->ops = ops;
	reload->arg = arg;
	STAILQ_INIT(&reload->stops);
	STAILQ_INIT(&reload->drains);
	probation_init(&reload->probation);
	reload->deadline = event_new(base, -1, 0, reload_late_cb, reload);
	reload->tick = event_new(base, -1, 0, reload_tick_cb, reload);
	reload->again = event_new(base, -1, 0, reload_again_cb, reload);
	if (reload->deadline == NULL || reload->tick == NULL ||
	    reload->again == NULL) {
		reload_free(reload);
		return NULL;
	}
	return reload;
}

void
reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	build_cancel(reload->build);
	stops_forget(reload);
	drains_forget(reload);
	gen_unref(reload->next);
	gen_unref(reload->first);
	gen_unref(reload->old);
	gen_unref(reload->previous);
	gen_unref(reload->tried);
	gen_unref(reload->back_to);
	gen_unref(reload->committed);
	probation_done(&reload->probation);
	for (uint32_t i = 0; i < reload->drained_before_count; i++)
		free(reload->drained_before[i]);
	free(reload->drained_before);
	if (reload->deadline != NULL)
		event_free(reload->deadline);
	if (reload->tick != NULL)
		event_free(reload->tick);
	if (reload->again != NULL)
		event_free(reload->again);
	free(reload);
}

void
reload_stop(struct reload *reload)
{
	build_cancel(reload->build);
	reload->build = NULL;
	if (reload->state == RELOAD_PREPARE)
		workers_abort(reload->workers, reload->next);
	gen_unref(reload->next);
	reload->next = NULL;
	gen_unref(reload->old);
	reload->old = NULL;
	gen_unref(reload->previous);
	reload->previous = NULL;
	event_del(reload->deadline);
	event_del(reload->tick);
	event_del(reload->again);
	reload_set_state(reload, RELOAD_STOPPED);
	waiters_tell_all(&reload->waiters, "sluiced is stopping");
}

void
reload_forget_waiter(struct reload *reload, const void *arg)
{
	waiters_forget(&reload->waiters, arg);
}

struct gen *
reload_committed(const struct reload *reload)
{
	return reload->committed;
}

const char *
reload_changes(const struct reload *reload)
{
	return reload->changes.text;
}

const struct gen *
reload_previous(const struct reload *reload)
{
	return reload->previous;
}

const struct reload_verdict *
reload_last_verdict(const struct reload *reload)
{
	return reload->last.time_ms != 0 ? &reload->last : NULL;
}

const char *
reload_state_name(const struct reload *reload)
{
	return state_names[reload->state];
}

bool
reload_in_canary(const struct reload *reload)
{
	return reload->next != NULL && reload->part == WORKERS_REST;
}

/*
 * reload_rollback.c: the way back to the previous generation, when a person
 * asks for it or the new one crashes.  The bundle and the images of a
 * generation are kept for that, but not its sockets, since no worker would
 * accept the clients that wait there.
 */

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/time_text.h"
#include "master/build.h"
#include "master/crashes.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/notify.h"
#include "master/reload_internal.h"

void
reload_retire(struct reload *reload)
{
	struct gen *old = reload->old;
	/*
	 * Do not keep a generation that crashes too much, nor one that is the
	 * same as the new one.
	 */
	bool bad = reload->kind == KIND_RESCUE || reload->rescue ||
	    (reload->kind == KIND_RELOAD && old != NULL &&
		probation_same(old, reload->committed));

	reload->old = NULL;
	if (reload->kind == KIND_DRAIN) {
		/* The same code: what was to go back to, and from, still is. */
		gen_end_sockets(old);
		gen_unref(old);
		return;
	}
	reload->rescue = false;
	reload->went_back = reload->kind == KIND_ROLLBACK;
	if (old == NULL)
		return;
	/* The last reference to sockets that no worker serves any more. */
	gen_end_sockets(old);
	if (reload->kind == KIND_RELOAD && bad) {
		gen_unref(old); /* the one before it may still be good */
		return;
	}
	gen_unref(reload->previous);
	reload->previous = old;
	if (bad) {
		gen_unref(old);
		reload->previous = NULL;
	}
}

void
reload_stage_again(struct reload *reload)
{
	struct gen *target =
	    reload->kind == KIND_RESCUE || reload->back_to == NULL
	    ? reload->previous
	    : reload->back_to;
	struct error err;

	verdict_clear(&reload->verdict);
	if (reload->kind == KIND_RESCUE)
		verdict_note(&reload->verdict, reload->reason);
	notify_reloading();
	reload->target = target->number;
	reload->next = gen_again(target, reload->last_number + 1, &err);
	gen_unref(reload->back_to);
	reload->back_to = NULL;
	if (reload->next == NULL) {
		verdict_say(&reload->verdict, "%s", err.text);
		reload_fail(reload);
	} else {
		reload_stage_check(reload);
	}
}

void
reload_tell_rolled_back(const struct reload *reload, const struct gen *gen,
    const struct gen_teller *teller)
{
	const struct probation *probation = &reload->probation;

	if (probation_knows(probation, gen))
		gen_tell(teller,
		    "this is the same as generation %u, which was rolled back "
		    "because it crashed; to serve it nevertheless: sluicectl "
		    "reload --force",
		    probation->refused_number);
}

/* Without --force, refuse a generation that was rolled back before. */
void
reload_check_refused(struct reload *reload)
{
	const struct gen_teller teller = { reload_tell_problem, reload };

	/* A plugin that asks again and again would undo what a person did. */
	if (reload->by_plugin && reload->went_back &&
	    reload->previous != NULL &&
	    probation_same(reload->next, reload->previous))
		verdict_say(&reload->verdict,
		    "this is the same as generation %u, which was rolled back "
		    "by sluicectl; a plugin cannot bring it again, but "
		    "sluicectl reload can",
		    reload->previous->number);
	if (reload->kind != KIND_RELOAD)
		return;
	if (!reload->forced)
		reload_tell_rolled_back(reload, reload->next, &teller);
	else if (probation_knows(&reload->probation, reload->next))
		probation_forget(&reload->probation);
}

/*
 * Some workers try a generation, or are about to, and the others have not
 * committed.
 */
static bool
is_canary(const struct reload *reload)
{
	if (reload->state == RELOAD_CANARY || reload->state == RELOAD_BACK)
		return true;
	return reload->part == WORKERS_TRIAL ||
	    (reload->part == WORKERS_REST && reload->state != RELOAD_COMMIT);
}

void
reload_call_off(struct reload *reload)
{
	build_cancel(reload->build);
	reload->build = NULL;
	if (reload->state == RELOAD_SETTLE || reload->state == RELOAD_PREPARE)
		workers_abort(reload->workers, reload->next);
	reload_fail(reload);
}

static void
end_canary(struct reload *reload, const char *who)
{
	if (reload->state == RELOAD_BACK)
		return; /* it has ended */
	snprintf(reload->ended, sizeof(reload->ended), "canary ended by %s",
	    who);
	if (reload->state == RELOAD_CANARY)
		reload_stage_back(reload);
	else if (reload->state != RELOAD_COMMIT) /* after that it will end */
		reload_call_off(reload);
}

/*
 * The generation to go back to.  A generation that is being committed was not
 * served yet when the rollback was asked for, so it is the one before that.
 */
static struct gen *
rollback_target(const struct reload *reload)
{
	if (reload->state == RELOAD_COMMIT && reload->kind == KIND_RELOAD &&
	    reload->old != NULL)
		return reload->old;
	return reload->previous;
}

static void
want_rollback(struct reload *reload, const char *who)
{
	struct gen *target = rollback_target(reload);

	if (!reload->rollback) {
		event_log(EVENT_ROLLBACK, LOG_LEVEL_INFO,
		    "going back to generation %u (%s)", target->number, who);
		reload->back_to = gen_ref(target);
	}
	reload->rollback = true;
	if (reload->wanted_by_plugin)
		reload->wanted = false;
	if (reload->by_plugin &&
	    (reload->state == RELOAD_BUILD || reload->state == RELOAD_SETTLE ||
		reload->state == RELOAD_PREPARE)) {
		snprintf(reload->ended, sizeof(reload->ended),
		    "reload called off for a rollback (%s)", who);
		reload_call_off(reload);
	}
	reload_schedule(reload);
}

void
reload_rollback(struct reload *reload, const char *who,
    const struct reload_waiter *waiter)
{
	/* Or is a rollback running already? */
	bool back = reload->state != RELOAD_IDLE &&
	    (reload->kind == KIND_ROLLBACK || reload->kind == KIND_RESCUE);
	bool canary = !back && is_canary(reload);
	const char *obstacle = NULL;

	if (reload->state == RELOAD_STOPPED)
		obstacle = "sluiced is stopping";
	else if (!back && !canary && rollback_target(reload) == NULL)
		obstacle = "there is no generation to go back to";
	else if (waiter != NULL &&
	    waiters_add(&reload->waiters, waiter,
		back || canary ? WAIT_RUNNING : WAIT_ROLLBACK, canary) == -1)
		obstacle = "too many clients wait for a reload already";
	if (obstacle != NULL && waiter != NULL)
		waiter->on_verdict(waiter->arg, false, obstacle);
	else if (obstacle == NULL && canary)
		end_canary(reload, who);
	else if (obstacle == NULL && !back)
		want_rollback(reload, who);
}

void
reload_on_crash(struct reload *reload, const struct crash *crash)
{
	const struct gen *gen = reload->committed;
	char *text = reload->reason, time[32];

	if (reload->state == RELOAD_STOPPED || gen == NULL ||
	    gen->number != crash->generation ||
	    !probation_crash(&reload->probation))
		return;
	snprintf(text, sizeof(reload->reason),
	    "generation %u crashed %u times in its first %s", gen->number,
	    PROBATION_CRASHES,
	    duration_text(reload->probation.length_ms, time));
	if (reload->previous == NULL) {
		aside_crashed(reload, crash->worker, text);
		return;
	}
	event_log(EVENT_ROLLBACK, LOG_LEVEL_ERROR,
	    "%s; going back to generation %u", text, reload->previous->number);
	notify_status("%s; going back to generation %u", text,
	    reload->previous->number);
	probation_remember(&reload->probation, gen);
	reload->rescue = true;
	if (reload->state == RELOAD_CANARY) {
		/*
		 * The generation of the other workers crashes: do not wait for
		 * the end of the canary.
		 */
		verdict_say(&reload->verdict, "canary: ended because %s", text);
		reload_stage_back(reload);
		return;
	}
	reload_schedule(reload);
}

/*
 * reload_rollback.c: the way back to the previous generation, for who asks for
 * it, and when the new one crashes.  What is kept of a generation is its bundle
 * and its images: no sockets, since clients would wait there for nobody.
 */

#include <stdio.h>

#include "error.h"
#include "log.h"
#include "master/gen.h"
#include "master/notify.h"
#include "master/reload_internal.h"

void
reload_retire(struct reload *reload)
{
	struct gen *old = reload->old;
	/* One that crashes too much is no way back, nor is the same once more. */
	bool bad = reload->kind == KIND_RESCUE || reload->rescue ||
	    (reload->kind == KIND_RELOAD && old != NULL &&
		probation_same(old, reload->committed));

	reload->old = NULL;
	reload->rescue = false;
	if (old == NULL)
		return;
	/* The last reference to sockets that nobody serves any more. */
	gen_drop_sockets(old, NULL);
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
	struct error err;

	verdict_clear(&reload->verdict);
	if (reload->kind == KIND_RESCUE)
		verdict_note(&reload->verdict, reload->reason);
	notify_reloading();
	reload->next = gen_again(reload->previous, reload->last_number + 1, &err);
	if (reload->next == NULL) {
		verdict_say(&reload->verdict, "%s", err.text);
		reload_fail(reload);
	} else {
		reload_stage_check(reload);
	}
}

/* What was taken back comes again only for who insists. */
void
reload_check_refused(struct reload *reload)
{
	struct probation *probation = &reload->probation;

	if (reload->kind != KIND_RELOAD ||
	    !probation_knows(probation, reload->next))
		return;
	if (reload->forced)
		probation_forget(probation);
	else
		verdict_say(&reload->verdict,
		    "this is what generation %u was, which was taken back "
		    "because it crashed; to insist: sluicectl reload --force",
		    probation->refused_number);
}

/* What stands in the way of a rollback, or NULL. */
static const char *
rollback_obstacle(const struct reload *reload)
{
	if (reload->state == RELOAD_STOPPED)
		return "stopping";
	if (reload->state == RELOAD_CANARY)
		return NULL;
	if (reload->state != RELOAD_IDLE || reload->wanted)
		return "a reload is under way; try again when it is over";
	if (reload->previous == NULL)
		return "there is no generation to go back to";
	return NULL;
}

void
reload_rollback(struct reload *reload, const char *who,
    const struct reload_waiter *waiter)
{
	const char *obstacle = rollback_obstacle(reload);
	bool canary = reload->state == RELOAD_CANARY;

	if (obstacle == NULL && waiter != NULL &&
	    waiters_add(&reload->waiters, waiter, true, canary) == -1)
		obstacle = "too many wait for a reload already";
	if (obstacle != NULL) {
		if (waiter != NULL)
			waiter->on_verdict(waiter->arg, false, obstacle);
		return;
	}
	if (canary) {
		verdict_say(&reload->verdict, "canary: ended by %s", who);
		reload_stage_back(reload);
		return;
	}
	log_info("going back to generation %u (%s)", reload->previous->number,
	    who);
	reload->rollback = true;
	reload_schedule(reload);
}

void
reload_on_crash(struct reload *reload, uint32_t generation)
{
	const struct gen *gen = reload->committed;
	char *text = reload->reason, time[32];

	if (reload->state == RELOAD_STOPPED || gen == NULL ||
	    gen->number != generation || !probation_crash(&reload->probation))
		return;
	snprintf(text, sizeof(reload->reason),
	    "generation %u crashed %u times in its first %s", gen->number,
	    PROBATION_CRASHES, duration_text(reload->probation.length_ms, time));
	if (reload->previous == NULL) {
		log_errorx("%s; there is none to go back to", text);
		return;
	}
	log_errorx("%s; going back to generation %u", text,
	    reload->previous->number);
	notify_status("%s; going back to generation %u", text,
	    reload->previous->number);
	probation_remember(&reload->probation, gen);
	reload->rescue = true;
	if (reload->state == RELOAD_CANARY) {
		/* What the others serve cannot wait for the end of it. */
		verdict_say(&reload->verdict, "canary: ended, since %s", text);
		reload_stage_back(reload);
		return;
	}
	reload_schedule(reload);
}

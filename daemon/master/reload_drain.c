/*
 * reload_drain.c: listeners that an operator drains, or opens again.  Each is a
 * transaction like a reload, to a copy of what is served: so all workers do it
 * or none, and an address that was taken meanwhile is a refusal with a reason.
 * What is drained is part of a generation (gen_mode()), and every later one
 * takes it over.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "config/settings.h"
#include "ipc/shm.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/handover.h"
#include "master/notify.h"
#include "master/reload_internal.h"

struct drain {
	STAILQ_ENTRY(drain) entry;
	enum gen_mode mode;
	char name[];
};

/* The index of a listener that is served, or settings_endpoints() or more. */
static uint32_t
find(const struct reload *reload, const char *name, struct error *err)
{
	const struct settings *settings;
	struct nearest nearest = NEAREST_NONE;
	uint32_t i;

	if (reload->committed == NULL) {
		error_set(err, "nothing is served yet");
		return UINT32_MAX;
	}
	settings = reload->committed->settings;
	for (i = 0; i < settings_endpoints(settings); i++) {
		const char *other = settings_endpoint(settings, i)->name;

		if (strcmp(other, name) == 0)
			break;
		if (i < settings->listener_count)
			nearest_try(&nearest, name, other);
	}
	if (i < settings->listener_count)
		return i;
	if (i < settings_endpoints(settings))
		error_set(err,
		    "%s is a connector; only listeners can be drained", name);
	else if (nearest.word != NULL)
		error_set(err,
		    "there is no listener \"%.64s\"; did you mean \"%s\"?",
		    name, nearest.word);
	else
		error_set(err, "there is no listener \"%.64s\"", name);
	return UINT32_MAX;
}

static int
keep(struct reload *reload, const char *name, enum gen_mode mode)
{
	struct drain *drain = calloc(1, sizeof(*drain) + strlen(name) + 1);

	if (drain == NULL)
		return -1;
	drain->mode = mode;
	strcpy(drain->name, name);
	STAILQ_INSERT_TAIL(&reload->drains, drain, entry);
	return 0;
}

void
reload_drain(struct reload *reload, const char *name, bool on, const char *who,
    const struct reload_waiter *waiter)
{
	enum gen_mode mode = on ? GEN_DRAINED : GEN_OPEN;
	char already[ERROR_TEXT_MAX];
	struct error err;
	uint32_t index;

	if (reload->state == RELOAD_STOPPED) {
		waiter->on_verdict(waiter->arg, false, "sluiced is stopping");
		return;
	}
	index = find(reload, name, &err);
	if (index == UINT32_MAX) {
		waiter->on_verdict(waiter->arg, false, err.text);
	} else if (reload->state == RELOAD_IDLE &&
	    STAILQ_EMPTY(&reload->drains) &&
	    gen_mode(reload->committed, index) == mode) {
		snprintf(already, sizeof(already), "%s %s already", name,
		    on ? "is drained" : "accepts");
		waiter->on_verdict(waiter->arg, true, already);
	} else if (waiters_add(&reload->waiters, waiter, WAIT_DRAIN, false) ==
	    -1) {
		waiter->on_verdict(waiter->arg, false,
		    "too many clients wait for a reload already");
	} else if (keep(reload, name, mode) == -1) {
		waiters_forget(&reload->waiters, waiter->arg);
		waiter->on_verdict(waiter->arg, false, "out of memory");
	} else {
		event_log(EVENT_LISTENER, LOG_LEVEL_INFO, "%s %s (%s)",
		    on ? "drain" : "undrain", name, who);
		reload_schedule(reload);
	}
}

/* Apply all that was asked for, to the copy, and note it for messages. */
static void
apply(struct reload *reload)
{
	struct drain *drain;
	char *doing = reload->doing;
	size_t used = 0;

	STAILQ_FOREACH(drain, &reload->drains, entry) {
		if (used < sizeof(reload->doing))
			used += (size_t)snprintf(doing + used,
			    sizeof(reload->doing) - used, "%s%s %s",
			    used > 0 ? ", " : "",
			    drain->mode == GEN_DRAINED ? "drain" : "undrain",
			    drain->name);
		/* A reload came between. */
		if (gen_set_mode(reload->next, drain->name, drain->mode) == -1)
			verdict_say(&reload->verdict,
			    "there is no listener \"%s\" any more",
			    drain->name);
	}
}

void
reload_stage_drain(struct reload *reload)
{
	struct error err;

	verdict_clear(&reload->verdict);
	notify_reloading();
	reload->next =
	    gen_again(reload->committed, reload->last_number + 1, &err);
	if (reload->next == NULL)
		verdict_say(&reload->verdict, "%s", err.text);
	else if (gen_keep_modes(reload->next, reload->committed) == -1)
		verdict_say(&reload->verdict, "out of memory");
	else
		apply(reload);
	drains_forget(reload);
	if (reload->verdict.problems > 0)
		reload_fail(reload);
	else
		reload_stage_check(reload);
}

void
drains_tell(struct reload *reload, const struct gen_teller *teller)
{
	const struct gen *gen = reload->committed;
	const struct shm *shm = workers_shm(reload->workers);

	for (uint32_t i = 0; i < gen->settings->listener_count; i++)
		if (gen_mode(gen, i) == GEN_DRAINED)
			gen_tell(teller,
			    "%s is drained: it accepts no connections, and "
			    "those that it has go on: %" PRIu64,
			    gen->settings->listeners[i].name,
			    shm_connections(shm, gen->slots[i]));
}

void
drains_forget(struct reload *reload)
{
	struct drain *drain;

	while ((drain = STAILQ_FIRST(&reload->drains)) != NULL) {
		STAILQ_REMOVE_HEAD(&reload->drains, entry);
		free(drain);
	}
}

int
drains_keep(struct reload *reload)
{
	if (gen_keep_drained(reload->next, reload->committed) == -1)
		return -1;
	for (uint32_t i = 0;
	     reload->committed == NULL && i < reload->drained_before_count; i++)
		gen_set_mode(reload->next, reload->drained_before[i],
		    GEN_DRAINED);
	return 0;
}

/* Nothing is served yet: what was drained before is so for the next program. */
static void
pass_on_drained(const struct reload *reload, struct handover *handover)
{
	pack_u32(&handover->packer, reload->drained_before_count);
	for (uint32_t i = 0; i < reload->drained_before_count; i++)
		pack_string(&handover->packer, reload->drained_before[i]);
}

void
reload_hand_over(const struct reload *reload, struct handover *handover)
{
	const struct gen *gen = reload->committed;

	pack_u32(&handover->packer, reload->last_number);
	if (gen == NULL) {
		pass_on_drained(reload, handover);
		return;
	}
	pack_u32(&handover->packer, gen_drained(gen));
	for (uint32_t i = 0; i < gen->settings->listener_count; i++)
		if (gen_mode(gen, i) == GEN_DRAINED)
			pack_string(&handover->packer,
			    gen->settings->listeners[i].name);
}

int
reload_take_over(struct reload *reload, struct taken *taken)
{
	uint32_t count;
	char *name;

	reload->last_number = unpack_u32(&taken->unpacker);
	count = unpack_count(&taken->unpacker, sizeof(uint32_t));
	reload->drained_before =
	    calloc((size_t)count + 1, sizeof(*reload->drained_before));
	if (reload->drained_before == NULL)
		return -1;
	while (count-- > 0) {
		name = unpack_string(&taken->unpacker);
		if (name == NULL)
			return -1;
		reload->drained_before[reload->drained_before_count++] = name;
	}
	return 0;
}

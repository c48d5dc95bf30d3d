/* service.c: versions of a listener: how they start, succeed and end. */

#include "worker/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "ipc/board.h"
#include "ipc/versions.h"
#include "worker/callback.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker/options.h"
#include "worker/plugin.h"

static SLIST_HEAD(, sl_service) ended = SLIST_HEAD_INITIALIZER(ended);

static bool
same_plugin(const struct sl_service *a, const struct sl_service *b)
{
	return strcmp(a->plugin->descriptor.name, b->plugin->descriptor.name) ==
	    0;
}

static uint32_t
state_version(const struct sl_service *service)
{
	return service->plugin->descriptor.state_version;
}

/* Can `next` use the data that user pointers of `prev` point at? */
static bool
same_state(const struct sl_service *next, const struct sl_service *prev)
{
	return same_plugin(next, prev) &&
	    state_version(next) == state_version(prev);
}

/*
 * Can `next` know that data, though it may look different?  Code cannot know
 * what newer code has made.  A rollback brings such code.
 */
static bool
may_know_state(const struct sl_service *next, const struct sl_service *prev)
{
	return same_plugin(next, prev) &&
	    state_version(next) >= state_version(prev);
}

/*
 * What becomes of connections that the new code cannot serve.  That of a
 * connector is made anew: it might never end by itself.
 */
static enum carry
leave_behind(const struct sl_service *next)
{
	return next->listener->connector != NULL ? CARRY_CLOSE : CARRY_DRAIN;
}

static enum carry
decide_carry(const struct sl_service *next, const struct sl_service *prev,
    int64_t on_reload)
{
	if (on_reload == ON_RELOAD_CLOSE)
		return CARRY_CLOSE;
	if (on_reload == ON_RELOAD_DRAIN)
		return CARRY_DRAIN;
	if (same_state(next, prev))
		return CARRY_SWAP;
	/* Never give one plugin the user pointers of another. */
	if (!same_plugin(next, prev))
		return leave_behind(next);
	if (next->plugin->descriptor.migrate != NULL)
		return CARRY_MIGRATE;
	if (on_reload == ON_RELOAD_SWAP && may_know_state(next, prev))
		return CARRY_SWAP;
	return leave_behind(next);
}

static void
state_adopt(struct sl_service *service, struct service_state *state)
{
	free(service->state);
	service->state = state;
	state->refs++;
}

static int
start(struct sl_service *service, struct sl_service *prev, struct error *err)
{
	if (prev != NULL && may_know_state(service, prev) &&
	    service->plugin->descriptor.reload != NULL) {
		if (callback_reload(service, prev, err) == -1)
			return -1;
		/*
		 * If it took the pointer over, both versions share the state.
		 */
		if (service->state->data != NULL &&
		    service->state->data == prev->state->data)
			state_adopt(service, prev->state);
		return 0;
	}
	if (prev != NULL && same_state(service, prev)) {
		state_adopt(service, prev->state);
		return 0;
	}
	return callback_start(service, err);
}

struct sl_service *
service_new(struct listener *listener, struct plugin *plugin,
    struct sl_options *options, uint32_t generation,
    struct sl_service *predecessor, int64_t on_reload, struct error *err)
{
	struct sl_service *service = calloc(1, sizeof(*service));
	struct service_state *state = calloc(1, sizeof(*state));

	if (service == NULL || state == NULL) {
		error_set(err, "out of memory");
		plugin_unref(plugin);
		options_free(options);
		free(service);
		free(state);
		return NULL;
	}
	state->refs = 1;
	service->listener = listener;
	service->counts = listener->endpoint.counts;
	service->plugin = plugin;
	service->options = options;
	service->state = state;
	service->generation = generation;
	service->code = board_code(generation, listener->endpoint.slot);
	service->refs = 1;
	if (predecessor != NULL)
		service->carry = decide_carry(service, predecessor, on_reload);
	if (start(service, predecessor, err) == -1) {
		listener_drop_conns(listener, service);
		service_unref(service); /* not started: without `stop` */
		return NULL;
	}
	service->started = true;
	return service;
}

void
service_ref(struct sl_service *service)
{
	service->refs++;
}

void
service_unref(struct sl_service *service)
{
	if (service == NULL || --service->refs > 0)
		return;
	SLIST_INSERT_HEAD(&ended, service, unused);
	engine.after_pass_due = true;
}

void
service_tell_migration(struct sl_service *service)
{
	if (service->told || service->migrated + service->refused == 0)
		return;
	service->told = true;
	log_info("%s: generation %u: connections that migrated to it: %u; "
		 "refused, which stay on old code: %u",
	    service->listener->endpoint.name, service->generation,
	    service->migrated, service->refused);
}

static void
tell_end(const struct sl_service *service)
{
	if (service->stayed > 0)
		log_info("%s: generation %u ended; connections that had "
			 "stayed on it by refusal: %u",
		    service->listener->endpoint.name, service->generation,
		    service->stayed);
}

void
service_forget_successor(struct sl_service *service)
{
	struct sl_service *next = service->successor;

	service->successor = NULL;
	service_unref(next);
}

static void
service_end(struct sl_service *service)
{
	struct service_state *state = service->state;

	service_forget_successor(service);
	/* While it waits its timers run on: they belong to the state. */
	service->waits = state->youngest == service && state->refs > 1;
	if (service->waits)
		return;
	service_tell_migration(service);
	tell_end(service);
	if (service->stayed > 0)
		LIST_REMOVE(service, stayed_link);
	if (service->committed)
		LIST_REMOVE(service, link);
	if (service->version != NULL)
		version_remove(engine.shm, service->version);
	plugin_timers_clear(&service->timers);
	if (--state->refs == 0) {
		if (service->started)
			callback_stop(service);
		/* `stop` may have set timers, which must not run out. */
		plugin_timers_clear(&service->timers);
		free(state);
	} else if (state->refs == 1 && state->youngest != NULL &&
	    state->youngest->waits) {
		SLIST_INSERT_HEAD(&ended, state->youngest, unused);
	}
	plugin_unref(service->plugin);
	options_free(service->options);
	free(service);
}

void
service_end_unused(void)
{
	struct sl_service *service;

	/* Ending one may end its successor. */
	while ((service = SLIST_FIRST(&ended)) != NULL) {
		SLIST_REMOVE_HEAD(&ended, unused);
		service_end(service);
	}
}

void
service_count_conn(struct sl_service *service, int more)
{
	if (!service->committed)
		service->early += (unsigned int)more;
	else if (service->version != NULL)
		version_count(service->version, more);
}

void
service_not_current(struct sl_service *service, bool stay)
{
	if (service->version != NULL)
		atomic_store(&service->version->use,
		    stay ? VERSION_STAYS : VERSION_LEAVES);
}

bool
service_is_committed(const struct sl_service *service)
{
	return service->committed;
}

static void
succeed(struct sl_service *prev, struct sl_service *next)
{
	/* If connections stay, they need not keep the next version alive. */
	if (next->carry != CARRY_DRAIN) {
		service_ref(next);
		prev->successor = next;
	}
	/* Timers move with the connections, or with the state. */
	if (next->carry == CARRY_SWAP || next->carry == CARRY_MIGRATE ||
	    next->state == prev->state)
		plugin_timers_hand_on(&prev->timers, &next->timers, next);
}

void
service_commit(struct listener *listener, struct sl_service *service)
{
	struct sl_service *prev = listener->current;

	service->committed = true;
	plugin_timers_release(service->timers);
	service->version = version_add(engine.shm, service->code);
	service_count_conn(service, (int)service->early);
	service->state->youngest = service;
	listener->current = service;
	LIST_INSERT_HEAD(&listener->versions, service, link);
	if (prev != NULL) {
		service_not_current(prev, service->carry == CARRY_DRAIN);
		succeed(prev, service);
	}
	service_unref(prev);
}

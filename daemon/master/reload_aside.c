/*
 * reload_aside.c: the plugin that crashes where there is no generation to go back
 * to, as after a first start.  Its listener or connector is set aside, so that
 * the others of its workers are served; only what is read again serves it.  One
 * that has its workers to itself hurts nobody: they are started again and again,
 * after growing pauses.
 */

#include <event2/event.h>

#include "base/log.h"
#include "config/settings.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/notify.h"
#include "master/reload_internal.h"

/* Begin the start anew, from what is on disk. */
static void
begin_anew(struct reload *reload)
{
	workers_abort(reload->workers, reload->next);
	gen_end_sockets(reload->next);
	gen_unref(reload->tried);
	reload->tried = reload->next;
	reload->next = NULL;
	event_del(reload->deadline);
	reload_set_state(reload, RELOAD_IDLE);
	reload->wanted = true;
	reload->pause_ms = 0;
	reload_schedule(reload);
}

bool
aside_at_start(struct reload *reload, uint32_t worker, const char *how)
{
	const struct listener_settings *settings;
	struct gen *gen = reload->next;
	const char *callback;
	uint32_t index;
	bool alone;

	if (!workers_died_in(reload->workers, worker, gen, &callback, &index) ||
	    !gen_has_neighbours(gen, index, false))
		return false;
	alone = !gen_has_neighbours(gen, index, true);
	if (alone && workers_waiting(reload->workers) == 0 &&
	    !workers_any_prepared(reload->workers))
		return false;
	settings = settings_endpoint(gen->settings, index);
	event_log(EVENT_LISTENER, LOG_LEVEL_ERROR,
	    "%s:%u: %s %s is %s: %s of plugin %s: worker %u %s; the others are "
	    "served%s",
	    settings->plugin_origin.file, settings->plugin_origin.line,
	    endpoint_kind(settings), settings->name,
	    alone ? "not served yet" : "set aside", callback, settings->plugin,
	    worker + 1, how,
	    alone ? ", and its workers are started again after growing pauses"
		  : "; mend it, and reload to serve it");
	if (alone) {
		reload->waiting = workers_waiting(reload->workers);
		return true;
	}
	gen_set_aside(gen, index);
	begin_anew(reload);
	return true;
}

/*
 * Between BIND and the end of a transaction the workers have the sockets of
 * another generation: there will be another crash.
 */
static bool
may_change(const struct reload *reload)
{
	return reload->state == RELOAD_IDLE || reload->state == RELOAD_BUILD;
}

void
aside_crashed(struct reload *reload, uint32_t worker, const char *text)
{
	struct gen *gen = reload->committed;
	const struct listener_settings *settings;
	const char *callback;
	uint32_t index;

	if (!workers_died_in(reload->workers, worker, gen, &callback, &index) ||
	    gen_mode(gen, index) == GEN_ASIDE) {
		event_log(EVENT_ROLLBACK, LOG_LEVEL_ERROR,
		    "%s; there is no generation to go back to", text);
		return;
	}
	settings = settings_endpoint(gen->settings, index);
	if (!gen_has_neighbours(gen, index, true)) {
		event_log(EVENT_ROLLBACK, LOG_LEVEL_ERROR,
		    "%s, the last time in %s of plugin %s (%s %s); there is no "
		    "generation to go back to, and nothing else is served by "
		    "its workers: they are started again after growing pauses",
		    text, callback, settings->plugin, endpoint_kind(settings),
		    settings->name);
		return;
	}
	probation_go_on(&reload->probation);
	if (!may_change(reload))
		return;
	event_log(EVENT_LISTENER, LOG_LEVEL_ERROR,
	    "%s:%u: %s %s is set aside: %s, the last time in %s of plugin %s, "
	    "and there is no generation to go back to; the others are served; "
	    "mend it, and reload to serve it",
	    settings->plugin_origin.file, settings->plugin_origin.line,
	    endpoint_kind(settings), settings->name, text, callback,
	    settings->plugin);
	notify_status("%s %s is set aside, since it crashes; generation %u",
	    endpoint_kind(settings), settings->name, gen->number);
	gen_set_aside(gen, index);
	workers_stop_listener(reload->workers, settings->name, false);
}

void
aside_tell(const struct reload *reload, const struct gen_teller *teller)
{
	const struct gen *gen = reload->committed;
	const struct listener_settings *settings;

	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++) {
		settings = settings_endpoint(gen->settings, i);
		if (gen_mode(gen, i) == GEN_ASIDE)
			gen_tell(teller,
			    "%s %s is set aside, since plugin %s crashed",
			    endpoint_kind(settings), settings->name,
			    settings->plugin);
	}
}

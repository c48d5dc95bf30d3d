/*
 * reload_stops.c: listeners and connectors that their plugins stop.  Between BIND and the end
 * of a transaction the workers already have the sockets of the next generation.
 * So a stop that comes in this time is applied after COMMIT or ABORT, to what
 * is served then.
 */

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/reload_internal.h"

struct stop {
	STAILQ_ENTRY(stop) entry;
	uint32_t worker;
	bool close_active;
	char *plugin; /* behind the name */
	char name[];
};

static void
apply(struct reload *reload, uint32_t worker, const char *name,
    const char *plugin, bool close_active)
{
	unsigned int dropped = 0;

	/* The listener may have another plugin by now. */
	if (gen_is_served_by(reload->committed, name, plugin))
		dropped += gen_drop_sockets(reload->committed, name);
	/* In a canary both generations are served. */
	if (reload_in_canary(reload) &&
	    gen_is_served_by(reload->next, name, plugin))
		dropped += gen_drop_sockets(reload->next, name);
	/* Nothing to do for a listener that is gone or was stopped before. */
	if (dropped == 0)
		return;
	event_log(EVENT_LISTENER, LOG_LEVEL_INFO,
	    "%s %s was stopped by its plugin in worker %u",
	    gen_kind_of(reload->committed, name), name, worker + 1);
	workers_stop_listener(reload->workers, name, close_active);
}

/* Is a transaction between BIND and its end? */
static bool
must_wait(const struct reload *reload)
{
	switch (reload->state) {
	case RELOAD_SETTLE:
		return reload->next != NULL && reload->next->slots != NULL;
	case RELOAD_PREPARE:
	case RELOAD_COMMIT:
	case RELOAD_BACK:
		return true;
	default:
		return false;
	}
}

static struct stop *
find(struct reload *reload, const char *name, const char *plugin)
{
	struct stop *stop;

	STAILQ_FOREACH(stop, &reload->stops, entry)
		if (strcmp(stop->name, name) == 0 &&
		    strcmp(stop->plugin, plugin) == 0)
			return stop;
	return NULL;
}

/* NULL: no memory. */
static struct stop *
add(struct reload *reload, const char *name, const char *plugin)
{
	size_t length = strlen(name) + 1;
	struct stop *stop =
	    calloc(1, sizeof(*stop) + length + strlen(plugin) + 1);

	if (stop == NULL)
		return NULL;
	stop->plugin = stop->name + length;
	strcpy(stop->name, name);
	strcpy(stop->plugin, plugin);
	STAILQ_INSERT_TAIL(&reload->stops, stop, entry);
	return stop;
}

static void
keep(struct reload *reload, uint32_t worker, const char *name,
    const char *plugin, bool close_active)
{
	struct stop *stop = find(reload, name, plugin);

	if (stop == NULL)
		stop = add(reload, name, plugin);
	if (stop == NULL) {
		log_error("cannot stop listener %s", name);
		return;
	}
	stop->worker = worker;
	stop->close_active = stop->close_active || close_active;
}

bool
reload_stop_listener(struct reload *reload, uint32_t worker, const char *name,
    const char *plugin, bool close_active)
{
	if (reload->state == RELOAD_STOPPED)
		return true;
	/*
	 * Names come from a worker, which is untrusted: keep only those that
	 * exist.
	 */
	if (!gen_is_served_by(reload->committed, name, plugin) &&
	    !gen_is_served_by(reload->next, name, plugin))
		return false;
	if (must_wait(reload))
		keep(reload, worker, name, plugin, close_active);
	else
		apply(reload, worker, name, plugin, close_active);
	return true;
}

void
stops_apply(struct reload *reload)
{
	struct stop *stop;

	while ((stop = STAILQ_FIRST(&reload->stops)) != NULL) {
		STAILQ_REMOVE_HEAD(&reload->stops, entry);
		apply(reload, stop->worker, stop->name, stop->plugin,
		    stop->close_active);
		free(stop);
	}
}

void
stops_forget(struct reload *reload)
{
	struct stop *stop;

	while ((stop = STAILQ_FIRST(&reload->stops)) != NULL) {
		STAILQ_REMOVE_HEAD(&reload->stops, entry);
		free(stop);
	}
}

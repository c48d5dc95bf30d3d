/*
 * reload_stops.c: listeners that their plugins stop.  From BIND to the end of a
 * transaction there are two plans of what is listened on, and workers have been
 * told one of them: so a stop that comes meanwhile is applied after COMMIT or
 * ABORT, to what is served by then.
 */

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "master/gen.h"
#include "master/reload_internal.h"

struct stop {
	STAILQ_ENTRY(stop) entry;
	uint32_t worker;
	bool close_active;
	char name[];
};

static void
apply(struct reload *reload, uint32_t worker, const char *name,
    bool close_active)
{
	unsigned int dropped = 0;

	if (reload->committed != NULL)
		dropped += gen_drop_sockets(reload->committed, name);
	/* In a canary both generations are served. */
	if (reload_in_canary(reload))
		dropped += gen_drop_sockets(reload->next, name);
	/* Of one that is not there, or was stopped before, nothing is left to do. */
	if (dropped == 0)
		return;
	log_info("listener %s was stopped by its plugin in worker %u", name,
	    worker + 1);
	workers_stop_listener(reload->workers, name, close_active);
}

/* Is there more than one plan? */
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
find(struct reload *reload, const char *name)
{
	struct stop *stop;

	STAILQ_FOREACH(stop, &reload->stops, entry)
		if (strcmp(stop->name, name) == 0)
			return stop;
	return NULL;
}

void
reload_stop_listener(struct reload *reload, uint32_t worker, const char *name,
    bool close_active)
{
	struct stop *stop;

	if (reload->state == RELOAD_STOPPED)
		return;
	if (!must_wait(reload)) {
		apply(reload, worker, name, close_active);
		return;
	}
	/* Names come from a worker: only those are kept that mean something. */
	if (!gen_has_listener(reload->committed, name) &&
	    !gen_has_listener(reload->next, name))
		return;
	stop = find(reload, name);
	if (stop == NULL) {
		stop = calloc(1, sizeof(*stop) + strlen(name) + 1);
		if (stop == NULL) {
			log_error("cannot stop listener %s", name);
			return;
		}
		strcpy(stop->name, name);
		stop->worker = worker;
		STAILQ_INSERT_TAIL(&reload->stops, stop, entry);
	}
	stop->close_active = stop->close_active || close_active;
}

void
stops_apply(struct reload *reload)
{
	struct stop *stop;

	while ((stop = STAILQ_FIRST(&reload->stops)) != NULL) {
		STAILQ_REMOVE_HEAD(&reload->stops, entry);
		apply(reload, stop->worker, stop->name, stop->close_active);
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

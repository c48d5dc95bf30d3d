/* leaving.c: how the daemon ends. */

#include "master/leaving.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/child.h"
#include "master/event_in.h"
#include "master/events.h"
#include "master/gen.h"
#include "master/notify.h"
#include "master/reload.h"
#include "master/workers.h"

#define DRAIN_GRACE_MS \
	1000 /* after drain_timeout: workers close what is left politely */
#define STOP_MS 3000 /* for a worker that was told to leave now */
#define KILL_MS 6000 /* for the kernel to end one; child.c gives up sooner */
/* If a timer is this late, we were stopped, and the workers with us. */
#define LATE_MS 500

enum phase { PHASE_RUN, PHASE_DRAIN, PHASE_STOP, PHASE_KILL, PHASE_LEFT };

struct leaving {
	struct children *children;
	struct event *timer;
	uint64_t due_ms;
	struct reload *reload;
	struct workers *workers;
	void (*on_left)(void *arg);
	void *arg;
	enum phase phase;
};

static void
set_timer(struct leaving *leaving, uint64_t ms)
{
	leaving->due_ms = clock_ms() + ms;
	event_in(leaving->timer, ms);
}

static void
enter_phase(struct leaving *leaving, enum phase phase)
{
	const struct gen *gen = reload_committed(leaving->reload);

	leaving->phase = phase;
	switch (phase) {
	case PHASE_RUN:
		return;
	case PHASE_DRAIN:
		set_timer(leaving,
		    gen->settings->drain_timeout_ms + DRAIN_GRACE_MS);
		workers_stop(leaving->workers, false);
		break;
	case PHASE_STOP:
		set_timer(leaving, STOP_MS);
		workers_stop(leaving->workers, true);
		break;
	case PHASE_KILL:
		set_timer(leaving, KILL_MS);
		workers_kill(leaving->workers);
		break;
	case PHASE_LEFT:
		set_timer(leaving, 0);
		break;
	}
}

static void
leaving_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct leaving *leaving = arg;

	(void)fd;
	(void)what;
	if (leaving->phase == PHASE_LEFT) {
		leaving->on_left(leaving->arg);
		return;
	}
	/* The SIGCHLD of their end may be handled after this timer. */
	children_reap(leaving->children);
	if (workers_alive(leaving->workers) == 0)
		return;
	if (clock_ms() > leaving->due_ms + LATE_MS) {
		set_timer(leaving, STOP_MS);
	} else if (leaving->phase == PHASE_DRAIN) {
		enter_phase(leaving, PHASE_STOP);
	} else if (leaving->phase == PHASE_STOP) {
		enter_phase(leaving, PHASE_KILL);
	} else {
		log_errorx("exiting; workers that cannot be killed: %u",
		    workers_alive(leaving->workers));
		leaving->on_left(leaving->arg);
	}
}

static void
tell_drain(const char *signal_name, uint64_t ms)
{
	if (ms % 1000 == 0)
		event_log(EVENT_STOP, LOG_LEVEL_INFO,
		    "stopping (%s): draining for at most %llu s", signal_name,
		    (unsigned long long)ms / 1000);
	else
		event_log(EVENT_STOP, LOG_LEVEL_INFO,
		    "stopping (%s): draining for at most %llu ms", signal_name,
		    (unsigned long long)ms);
	notify_status("stopping: draining connections");
}

/* Returns false when no worker is left to wait for. */
static bool
begin(struct leaving *leaving, const char *signal_name)
{
	notify_stopping();
	reload_stop(leaving->reload);
	if (reload_committed(leaving->reload) != NULL &&
	    workers_alive(leaving->workers) > 0)
		return true;
	event_log(EVENT_STOP, LOG_LEVEL_INFO, "stopping (%s)", signal_name);
	enter_phase(leaving, PHASE_LEFT);
	return false;
}

static void
drain(struct leaving *leaving, const char *signal_name)
{
	struct gen *gen = reload_committed(leaving->reload);

	tell_drain(signal_name, gen->settings->drain_timeout_ms);
	enter_phase(leaving, PHASE_DRAIN);
	/*
	 * The workers have these sockets, too, and accept what waits in the
	 * queues before they close them.
	 */
	gen_drop_sockets(gen, NULL);
}

static void
end_now(struct leaving *leaving, const char *signal_name)
{
	event_log(EVENT_STOP, LOG_LEVEL_INFO, "stopping at once (%s)",
	    signal_name);
	notify_status("stopping at once");
	enter_phase(leaving, PHASE_STOP);
}

struct leaving *
leaving_new(struct event_base *base, struct children *children,
    void (*on_left)(void *arg), void *arg)
{
	struct leaving *leaving = calloc(1, sizeof(*leaving));

	if (leaving == NULL)
		return NULL;
	leaving->children = children;
	leaving->on_left = on_left;
	leaving->arg = arg;
	leaving->timer = event_new(base, -1, 0, leaving_timer_cb, leaving);
	if (leaving->timer == NULL) {
		free(leaving);
		return NULL;
	}
	return leaving;
}

void
leaving_free(struct leaving *leaving)
{
	if (leaving == NULL)
		return;
	event_free(leaving->timer);
	free(leaving);
}

void
leaving_stop(struct leaving *leaving, struct reload *reload,
    struct workers *workers, const char *signal_name)
{
	leaving->reload = reload;
	leaving->workers = workers;
	if (leaving->phase == PHASE_DRAIN)
		end_now(leaving, signal_name);
	else if (leaving->phase == PHASE_RUN && begin(leaving, signal_name))
		drain(leaving, signal_name);
}

void
leaving_quit(struct leaving *leaving, struct reload *reload,
    struct workers *workers, const char *signal_name)
{
	leaving->reload = reload;
	leaving->workers = workers;
	if (leaving->phase == PHASE_DRAIN ||
	    (leaving->phase == PHASE_RUN && begin(leaving, signal_name)))
		end_now(leaving, signal_name);
}

bool
leaving_begun(const struct leaving *leaving)
{
	return leaving->phase != PHASE_RUN;
}

/*
 * watchdog.c: looks at the board a few times a second.  A callback that is seen
 * twice with the same time of beginning has run in between.
 *
 * Only time in which the worker could run counts.  If a tick comes late, the
 * machine was busy, suspended or stopped, and probably so was the worker: one
 * tick never counts for more than two.  Time in which a worker is stopped,
 * traced, or waits for the disk or the processor does not count.
 */

#include "master/watchdog.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "ipc/board.h"
#include "ipc/shm.h"
#include "master/child.h"
#include "master/doing.h"
#include "master/events.h"
#include "master/process.h"
#include "master/worker_row.h"

#define TICK_MS 50
/*
 * A callback that has been running for so long is told of while it runs.  One
 * that returns sooner is told of by its worker, which knows how long it took.
 */
#define LONG_MS 1000
#define TICK_COUNTS_MS (2 * TICK_MS) /* at most for one tick */
#define REPORT_MS 1000		     /* for the report of an aborted one */
/* For a worker whose report is whole to end; after that it is dumping core. */
#define WHOLE_MS 500
#define END_TEXT_MAX 192
#define DYING_MS 1000 /* the same without a whole report */
/* For one callback that prepares a generation; longer than a reload waits. */
#define READY_MS 7000
#define SILENT_MS 10000 /* to answer, while it runs no callback */

/* What was seen of one worker. */
struct watched {
	pid_t pid; /* when this changes, all of it begins anew */
	uint32_t callback;
	uint64_t begun;
	uint64_t ms; /* how long it has been seen to run */
	bool said, traced_said;
	/* If looked: the process at the last tick. */
	struct process_view view;
	bool looked;
	uint64_t aborted_ms; /* since it was aborted; 0: it was not */
	bool dying;	     /* the kernel says so */
	uint64_t dying_ms;   /* how long it has been seen to die */
	char reason[128];    /* why it was killed */
};

struct watchdog {
	struct workers *workers;
	struct event *tick;
	uint64_t last_ms;
	uint32_t turn;
	struct watched watched[];
};

/*
 * How long may the callback take? 0: for ever.  Preparing a generation has a
 * limit of its own, which is longer than a reload waits: a slow worker refuses
 * the reload, and only one that hangs is ended.
 */
static uint64_t
limit_ms(const struct workers *workers, uint32_t callback)
{
	uint64_t ms = workers->watchdog_ms;

	switch (callback) {
	case CALLBACK_LOAD:
	case CALLBACK_UNLOAD:
		return READY_MS;
	case CALLBACK_CHECK:
	case CALLBACK_START:
	case CALLBACK_RELOAD:
		return ms == 0 || ms > READY_MS ? READY_MS : ms;
	default:
		return ms;
	}
}

/* Could it not run since the last look, or is it dying? */
static bool
could_not_run(struct watched *watched, const struct worker_row *worker)
{
	struct process_view now;
	bool held;

	if (!process_look(worker->pid, &now))
		return false;
	held = process_held_up(watched->looked ? &watched->view : NULL, &now);
	watched->view = now;
	watched->looked = true;
	watched->dying = now.dying;
	return held || now.dying;
}

static void
abort_worker(struct watchdog *watchdog, struct worker_row *worker,
    const char *what)
{
	struct watched *watched = &watchdog->watched[worker->index];
	int by = (int)process_tracer(worker->pid);

	if (by != 0) {
		if (!watched->traced_said)
			event_log(EVENT_HANG, LOG_LEVEL_WARN,
			    "worker %u: %s has been running for %" PRIu64
			    " ms; left alone, as process %d traces it",
			    worker->number + 1, what, watched->ms, by);
		watched->traced_said = true;
		return;
	}
	event_log(EVENT_HANG, LOG_LEVEL_ERROR,
	    "worker %u: %s has been running for %" PRIu64 " ms; aborting it",
	    worker->number + 1, what, watched->ms);
	if (watched->callback == CALLBACK_LOAD ||
	    watched->callback == CALLBACK_UNLOAD)
		snprintf(watched->reason, sizeof(watched->reason),
		    "was stuck while %sing a plugin",
		    callback_name(watched->callback));
	else
		snprintf(watched->reason, sizeof(watched->reason),
		    "was stuck in callback %s",
		    callback_name(watched->callback));
	watched->aborted_ms = 1;
	worker->aborts++;
	child_abort(worker->child, watched->reason);
}

/* It was seen to run for this much longer. */
static void
lasted(struct watchdog *watchdog, struct worker_row *worker, uint64_t ms)
{
	struct watched *watched = &watchdog->watched[worker->index];
	const struct board_row *row =
	    shm_row(watchdog->workers->shm, worker->index);
	uint64_t limit = limit_ms(watchdog->workers, watched->callback);
	char what[DOING_MAX];

	watched->ms += ms;
	if (watched->ms < LONG_MS && (limit == 0 || watched->ms < limit))
		return;
	doing_name(worker, NULL, watched->callback, atomic_load(&row->code),
	    what, sizeof(what));
	/* Before a worker serves, a slow load holds up no connection. */
	if (!watched->said &&
	    (worker->served || watched->callback != CALLBACK_LOAD)) {
		event_log(EVENT_HANG, LOG_LEVEL_WARN,
		    "worker %u: %s has been running for %" PRIu64 " ms",
		    worker->number + 1, what, watched->ms);
		watched->said = true;
	}
	if (limit != 0 && watched->ms >= limit)
		abort_worker(watchdog, worker, what);
}

/*
 * It runs no callback, and we wait for an answer, which we would have read by
 * now if it had been sent.  So it hangs outside of plugin code, and will not
 * recover.
 */
static void
was_silent(struct watchdog *watchdog, struct worker_row *worker, uint64_t ms)
{
	struct watched *watched = &watchdog->watched[worker->index];

	watched->ms += ms;
	if (watched->ms < SILENT_MS || process_tracer(worker->pid) != 0)
		return;
	event_log(EVENT_HANG, LOG_LEVEL_ERROR,
	    "worker %u: has not answered the master for %" PRIu64
	    " ms, and runs no callback; killing it",
	    worker->number + 1, watched->ms);
	child_kill(worker->child, "did not answer");
	watched->aborted_ms = REPORT_MS + 1; /* this is done once */
}

/* The report begins with the signal. */
static void
describe_end(const struct worker_row *worker, char how[END_TEXT_MAX])
{
	const struct board_row *row =
	    shm_row(worker->workers->shm, worker->index);
	struct process_view view;
	char name[16] = "";
	size_t length;

	if (atomic_load(&row->report_length) >= sizeof(name))
		memcpy(name, row->report, sizeof(name) - 1);
	length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	if (length > 3)
		snprintf(how, END_TEXT_MAX, "was killed by %.*s", (int)length,
		    name);
	else if (process_look(worker->pid, &view) && view.state == 'Z')
		snprintf(how, END_TEXT_MAX, "has lost its main thread");
	else
		snprintf(how, END_TEXT_MAX, "crashed");
}

/*
 * It will not recover.  Its successor starts when its report is whole, or after
 * a second, since a core dump may take minutes.
 */
static void
watch_dying(struct watched *watched, struct worker_row *worker, bool whole,
    uint64_t ms)
{
	char how[END_TEXT_MAX];

	watched->dying_ms += ms;
	if (watched->dying_ms < (whole ? WHOLE_MS : DYING_MS))
		return;
	watched->dying_ms = 0; /* if it is kept, try again after that time */
	if (watched->aborted_ms > 0)
		snprintf(how, sizeof(how), "%s and was aborted",
		    watched->reason);
	else
		describe_end(worker, how);
	worker_presume_dead(worker, how);
}

static void
watch_aborted(struct watched *watched, struct worker_row *worker, uint64_t ms)
{
	char time[TIME_TEXT_MAX];

	if (watched->aborted_ms > REPORT_MS)
		return; /* child.c will see it end, or give it up */
	watched->aborted_ms += ms;
	if (watched->aborted_ms <= REPORT_MS)
		return;
	event_log(EVENT_HANG, LOG_LEVEL_ERROR,
	    "worker %u: is still there %s after it was aborted; "
	    "killing it",
	    worker->number + 1, duration_text(REPORT_MS, time));
	child_kill(worker->child, watched->reason);
}

static void
look_at(struct watchdog *watchdog, struct worker_row *worker, uint64_t ms)
{
	const struct board_row *row =
	    shm_row(watchdog->workers->shm, worker->index);
	struct watched *watched = &watchdog->watched[worker->index];
	uint32_t callback;
	uint64_t begun;

	if (worker->child == NULL || worker->pid != watched->pid) {
		watched->pid = worker->child != NULL ? worker->pid : 0;
		watched->callback = CALLBACK_NONE;
		watched->aborted_ms = watched->dying_ms = 0;
		watched->dying = false;
		if (worker->child == NULL)
			return;
	}
	if (watched->dying || atomic_load(&row->report_length) > 0) {
		watch_dying(watched, worker,
		    atomic_load(&row->report_whole) != 0, ms);
		return;
	}
	if (watched->aborted_ms > 0) {
		watch_aborted(watched, worker, ms);
		return;
	}
	callback = atomic_load(&row->callback);
	begun = board_begun(row);
	if (callback != watched->callback || begun != watched->begun ||
	    (callback == CALLBACK_NONE && !worker_has_to_answer(worker))) {
		watched->callback = callback;
		watched->begun = begun;
		watched->ms = 0;
		watched->said = watched->traced_said = watched->looked = false;
		return;
	}
	if (could_not_run(watched, worker))
		return;
	if (callback != CALLBACK_NONE)
		lasted(watchdog, worker, ms);
	else
		was_silent(watchdog, worker, ms);
}

/*
 * Look at one of them each tick: a worker without a callback may be dying, too,
 * by SIGKILL.
 */
static void
look_for_dying(struct watchdog *watchdog)
{
	struct workers *workers = watchdog->workers;
	struct process_view view;
	struct watched *watched;
	uint32_t i, tries = 0;

	do /* skip the places without a process */
		i = watchdog->turn++ % workers->places;
	while (workers->row[i].child == NULL && ++tries < workers->places);
	watched = &watchdog->watched[i];
	if (workers->row[i].child != NULL &&
	    workers->row[i].pid == watched->pid &&
	    process_look(watched->pid, &view))
		watched->dying = view.dying;
	workers_look_at_dying(workers);
}

static void
watchdog_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog *watchdog = arg;
	uint64_t now = clock_ms(), ms = now - watchdog->last_ms;

	(void)fd;
	(void)what;
	watchdog->last_ms = now;
	if (ms > TICK_COUNTS_MS)
		ms = TICK_COUNTS_MS;
	shm_offer_ids(watchdog->workers->shm);
	for (uint32_t i = 0; i < watchdog->workers->places; i++)
		look_at(watchdog, &watchdog->workers->row[i], ms);
	look_for_dying(watchdog);
}

struct watchdog *
watchdog_new(struct event_base *base, struct workers *workers)
{
	static const struct timeval interval = { 0, TICK_MS * 1000 };
	struct watchdog *watchdog;

	watchdog = calloc(1,
	    sizeof(*watchdog) + workers->places * sizeof(watchdog->watched[0]));
	if (watchdog == NULL)
		return NULL;
	watchdog->workers = workers;
	watchdog->last_ms = clock_ms();
	watchdog->tick =
	    event_new(base, -1, EV_PERSIST, watchdog_tick_cb, watchdog);
	if (watchdog->tick == NULL ||
	    event_add(watchdog->tick, &interval) == -1) {
		watchdog_free(watchdog);
		return NULL;
	}
	return watchdog;
}

void
watchdog_free(struct watchdog *watchdog)
{
	if (watchdog == NULL)
		return;
	if (watchdog->tick != NULL)
		event_free(watchdog->tick);
	free(watchdog);
}

uint64_t
watchdog_lasted_ms(const struct watchdog *watchdog, uint32_t place)
{
	return watchdog->watched[place].callback != CALLBACK_NONE
	    ? watchdog->watched[place].ms
	    : 0;
}

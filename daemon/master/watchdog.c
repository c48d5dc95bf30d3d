/*
 * watchdog.c: looks at the board a few times a second.  A callback that is
 * seen twice with the same beat has lasted in between.
 *
 * What counts is time that the worker had for itself.  If we come late, the
 * machine was busy, suspended or stopped, and so, likely, was the worker: a
 * tick never counts for more than two.  A worker that is stopped or traced is
 * in somebody's hands.
 */

#include "master/watchdog.h"

#include <sys/types.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "board.h"
#include "clock.h"
#include "log.h"
#include "master/child.h"
#include "master/gen.h"
#include "master/slots.h"
#include "master/worker_row.h"
#include "settings.h"
#include "shm.h"

#define TICK_MS 50
#define TICK_COUNTS_MS (2 * TICK_MS) /* at most, however late we come */
#define SLOW_MS 100    /* somebody else is waiting for so long already */
#define REPORT_MS 1000 /* for the report of an aborted one */

/* What is seen of one worker. */
struct watched {
	pid_t pid; /* another one begins anew */
	uint32_t callback, beat;
	uint64_t ms; /* that it is seen to last */
	bool said, traced_said;
	uint64_t aborted_ms; /* since it was; 0: it was not */
	struct watchdog_counts counts;
	char reason[128]; /* why it was killed */
};

struct watchdog {
	struct workers *workers;
	struct event *tick;
	uint64_t last_ms;
	struct watched watched[];
};

/* A file of /proc/PID as a string; "" when there is none. */
static void
read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
}

/* By a signal, or by who traces it. */
static bool
is_stopped(pid_t pid)
{
	char text[256];
	const char *state;

	read_proc(pid, "stat", text, sizeof(text));
	state = strrchr(text, ')');
	return state != NULL && (state[2] == 'T' || state[2] == 't');
}

/* 0: nobody. */
static int
tracer(pid_t pid)
{
	static const char key[] = "\nTracerPid:";
	const char *line;
	char text[2048];

	read_proc(pid, "status", text, sizeof(text));
	line = strstr(text, key);
	return line != NULL ? atoi(line + sizeof(key) - 1) : 0;
}

/* "callback data of plugin chat (listener room)". */
static void
describe(const struct watchdog *watchdog, uint32_t worker, char *text, size_t size)
{
	const struct board_row *row = shm_row(watchdog->workers->shm, worker);
	const char *callback = callback_name(watchdog->watched[worker].callback);
	const struct gen *gen = watchdog->workers->committed;
	uint64_t code = atomic_load(&row->code);
	uint32_t i, slot = (uint32_t)code, count = 0;
	const char *name = NULL;

	/* There are options to `check`, but there is no service yet. */
	if (watchdog->watched[worker].callback == CALLBACK_CHECK)
		gen = NULL;
	/* Of code that is not committed yet only the listener is known. */
	if (gen != NULL && code >> 32 <= gen->number)
		count = gen->settings->listener_count;
	for (i = 0; i < count; i++)
		if (gen->slots[i] == slot)
			break;
	if (i < count) {
		snprintf(text, size, "callback %s of plugin %s (listener %s)",
		    callback,
		    gen->images[gen->settings->listeners[i].image].facts.name,
		    gen->settings->listeners[i].name);
		return;
	}
	/* Of a listener that is no more, or is not yet. */
	if (gen != NULL)
		name = slots_name(gen->slot_table, slot);
	if (name != NULL)
		snprintf(text, size, "callback %s (listener %s)", callback, name);
	else
		snprintf(text, size, "callback %s", callback);
}

static void
abort_worker(struct watchdog *watchdog, struct worker_row *worker,
    const char *what)
{
	struct watched *watched = &watchdog->watched[worker->index];
	int by = tracer(worker->pid);

	if (by != 0) {
		if (!watched->traced_said)
			log_warnx("worker %u: %s has been running for %" PRIu64
				  " ms; left alone, as process %d traces it",
			    worker->index + 1, what, watched->ms, by);
		watched->traced_said = true;
		return;
	}
	log_errorx("worker %u: %s has been running for %" PRIu64
		   " ms; aborting it",
	    worker->index + 1, what, watched->ms);
	snprintf(watched->reason, sizeof(watched->reason),
	    "was stuck in callback %s", callback_name(watched->callback));
	watched->aborted_ms = 1;
	watched->counts.aborted++;
	child_abort(worker->child, watched->reason);
}

/* It was seen to last for so much longer. */
static void
lasted(struct watchdog *watchdog, struct worker_row *worker, uint64_t ms)
{
	struct watched *watched = &watchdog->watched[worker->index];
	uint64_t limit_ms = worker->workers->watchdog_ms;
	char what[256];

	watched->ms += ms;
	if (watched->ms < SLOW_MS && (limit_ms == 0 || watched->ms < limit_ms))
		return;
	describe(watchdog, worker->index, what, sizeof(what));
	if (!watched->said) {
		log_warnx("worker %u: %s has been running for %" PRIu64 " ms",
		    worker->index + 1, what, watched->ms);
		watched->said = true;
		watched->counts.slow++;
	}
	if (limit_ms != 0 && watched->ms >= limit_ms)
		abort_worker(watchdog, worker, what);
}

static void
watch_aborted(struct watched *watched, struct worker_row *worker, uint64_t ms)
{
	if (watched->aborted_ms > REPORT_MS)
		return; /* child.c will see it end, or give it up */
	watched->aborted_ms += ms;
	if (watched->aborted_ms <= REPORT_MS)
		return;
	log_errorx("worker %u: is still there 1 s after it was aborted; "
		   "killing it",
	    worker->index + 1);
	child_kill(worker->child, watched->reason);
}

static void
look_at(struct watchdog *watchdog, struct worker_row *worker, uint64_t ms)
{
	const struct board_row *row =
	    shm_row(watchdog->workers->shm, worker->index);
	struct watched *watched = &watchdog->watched[worker->index];
	uint32_t callback, beat;

	if (worker->child == NULL || worker->pid != watched->pid) {
		watched->pid = worker->child != NULL ? worker->pid : 0;
		watched->callback = CALLBACK_NONE;
		watched->aborted_ms = 0;
		if (worker->child == NULL)
			return;
	}
	if (watched->aborted_ms > 0) {
		watch_aborted(watched, worker, ms);
		return;
	}
	/* It crashes already; a core dump may take its time. */
	if (atomic_load(&row->report_length) > 0)
		return;
	callback = atomic_load(&row->callback);
	beat = atomic_load(&row->beat);
	if (callback != CALLBACK_NONE && callback == watched->callback &&
	    beat == watched->beat) {
		if (!is_stopped(worker->pid))
			lasted(watchdog, worker, ms);
		return;
	}
	watched->callback = callback;
	watched->beat = beat;
	watched->ms = 0;
	watched->said = watched->traced_said = false;
}

static void
watchdog_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog *watchdog = arg;
	uint64_t now = clock_ms(), ms = now - watchdog->last_ms;
	uint32_t i;

	(void)fd;
	(void)what;
	watchdog->last_ms = now;
	if (ms > TICK_COUNTS_MS)
		ms = TICK_COUNTS_MS;
	shm_offer_ids(watchdog->workers->shm);
	for (i = 0; i < watchdog->workers->count; i++)
		look_at(watchdog, &watchdog->workers->row[i], ms);
}

struct watchdog *
watchdog_new(struct event_base *base, struct workers *workers)
{
	static const struct timeval interval = { 0, TICK_MS * 1000 };
	struct watchdog *watchdog;

	watchdog = calloc(1,
	    sizeof(*watchdog) + workers->count * sizeof(watchdog->watched[0]));
	if (watchdog == NULL)
		return NULL;
	watchdog->workers = workers;
	watchdog->last_ms = clock_ms();
	watchdog->tick =
	    event_new(base, -1, EV_PERSIST, watchdog_tick_cb, watchdog);
	if (watchdog->tick == NULL || event_add(watchdog->tick, &interval) == -1) {
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

struct watchdog_counts
watchdog_counts(const struct watchdog *watchdog, uint32_t worker)
{
	return watchdog->watched[worker].counts;
}

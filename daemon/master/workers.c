/*
 * workers.c: the table of workers, and what is done to all of them: the steps
 * of a transaction, and the end.  Each worker has one state, which events
 * change: a message, a death, the next step of the transaction.
 */

#include "master/workers.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "ipc/board.h"
#include "ipc/msg.h"
#include "ipc/shm.h"
#include "master/child.h"
#include "master/doing.h"
#include "master/gen.h"
#include "master/process.h"
#include "master/tickets.h"
#include "master/watchdog.h"
#include "master/worker_row.h"

#define MEMORY_LOOK_S 1 /* between two looks at the memory of all workers */

_Static_assert(WORKERS_MAX *PLACES_PER_WORKER <= SHM_PLACES_MAX,
    "each process has a row");

static int
on_tickets(void *arg)
{
	return workers_share_tickets(arg);
}

struct workers *
workers_new(struct event_base *base, struct children *children,
    const struct settings *settings, const struct workers_ops *ops, void *arg)
{
	static const struct timeval memory_interval = { MEMORY_LOOK_S, 0 };
	struct workers *workers = calloc(1, sizeof(*workers));
	uint32_t i;

	if (workers == NULL)
		return NULL;
	workers->children = children;
	workers->ops = ops;
	workers->arg = arg;
	workers->own = (uint32_t)settings->workers;
	workers->places = SHM_PLACES_MAX;
	workers->hello.workers = SHM_PLACES_MAX;
	workers->hello.uid = settings->drop ? settings->uid : (uint32_t)-1;
	workers->hello.gid = settings->drop ? settings->gid : (uint32_t)-1;
	workers->shm = shm_new(SHM_PLACES_MAX);
	for (i = 0; i < SHM_PLACES_MAX; i++) {
		workers->row[i].workers = workers;
		workers->row[i].index = i;
		workers->row[i].number = i < WORKERS_MAX ? i : NO_WORKER;
		workers->row[i].timer =
		    event_new(base, -1, 0, worker_revive_cb, &workers->row[i]);
		if (workers->row[i].timer == NULL)
			break;
	}
	workers->watchdog_ms = settings->watchdog_ms;
	workers->recycle.over =
	    event_new(base, -1, 0, workers_recycled_cb, workers);
	workers->memory_tick =
	    event_new(base, -1, EV_PERSIST, workers_memory_cb, workers);
	workers->watchdog = watchdog_new(base, workers);
	workers->tickets = tickets_new(base, on_tickets, workers);
	if (workers->shm == NULL || workers->watchdog == NULL ||
	    workers->tickets == NULL || workers->recycle.over == NULL ||
	    workers->memory_tick == NULL ||
	    event_add(workers->memory_tick, &memory_interval) == -1 ||
	    i < SHM_PLACES_MAX) {
		workers_free(workers);
		return NULL;
	}
	for (i = 0; i < WORKERS_MAX; i++)
		workers->by_number[i] = &workers->row[i];
	return workers;
}

void
workers_free(struct workers *workers)
{
	if (workers == NULL)
		return;
	for (uint32_t i = 0; i < workers->places; i++) {
		child_free(workers->row[i].child);
		if (workers->row[i].timer != NULL)
			event_free(workers->row[i].timer);
	}
	workers_free_dying(workers);
	if (workers->memory_tick != NULL)
		event_free(workers->memory_tick);
	if (workers->recycle.over != NULL)
		event_free(workers->recycle.over);
	watchdog_free(workers->watchdog);
	tickets_free(workers->tickets);
	gen_unref(workers->committed);
	shm_free(workers->shm);
	free(workers);
}

uint32_t
workers_count(const struct workers *workers)
{
	return workers->count;
}

uint32_t
workers_places(const struct workers *workers)
{
	return workers->places;
}

uint32_t
workers_place(const struct workers *workers, uint32_t worker)
{
	return workers->by_number[worker]->index;
}

static void
take_usage(const struct workers *workers, const struct worker_row *row,
    struct worker_facts *facts)
{
	const struct board_row *board = shm_row(workers->shm, row->index);
	const struct board_usage *usage = &board->usage;
	uint64_t most_ns;

	facts->memory = row->child != NULL ? process_memory(row->pid) : 0;
	facts->heap = atomic_load_explicit(&usage->heap, memory_order_relaxed);
	if (facts->heap > INT64_MAX) /* more than JSON can say */
		facts->heap = INT64_MAX;
	facts->descriptors =
	    atomic_load_explicit(&usage->descriptors, memory_order_relaxed);
	facts->descriptors_max =
	    atomic_load_explicit(&usage->descriptors_max, memory_order_relaxed);
	facts->lag_us = board_lag(board, clock_ns(), &most_ns) / 1000;
	facts->lag_max_us = most_ns / 1000;
}

uint64_t
workers_lost_lines(const struct workers *workers)
{
	uint64_t sum = workers->lost_lines;

	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].child != NULL)
			sum += worker_lost_lines(&workers->row[i]);
	return sum;
}

bool
workers_facts(const struct workers *workers, uint32_t place,
    struct worker_facts *ret_facts)
{
	const struct worker_row *row = &workers->row[place];

	/* One that was in a group, and has left, is gone as well. */
	if (row->number == NO_WORKER ||
	    (row->child == NULL && !worker_is_wanted(row)))
		return false;
	ret_facts->worker = row->number;
	ret_facts->replaced = row->state == WORKER_REPLACED;
	ret_facts->aborted = row->aborts;
	ret_facts->lasted_ms = watchdog_lasted_ms(workers->watchdog, place);
	ret_facts->pid = row->child != NULL ? row->pid : 0;
	ret_facts->group = workers->committed != NULL
	    ? gen_group_name(workers->committed, row->number)
	    : NULL;
	ret_facts->state = worker_state_name(row->state);
	ret_facts->generation = row->child != NULL ? row->serves : 0;
	ret_facts->connections = shm_worker_connections(workers->shm, place);
	ret_facts->restarts = row->starts > 0 ? row->starts - 1 : 0;
	ret_facts->memory_recycled = workers->memory[row->number].recycled;
	take_usage(workers, row, ret_facts);
	return true;
}

struct shm *
workers_shm(const struct workers *workers)
{
	return workers->shm;
}

uint32_t
workers_alive(const struct workers *workers)
{
	uint32_t alive = 0;

	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].child != NULL)
			alive++;
	return alive;
}

bool
workers_settled(const struct workers *workers)
{
	for (uint32_t i = 0; i < workers->places; i++)
		if (worker_unsettled(&workers->row[i]))
			return false;
	return true;
}

void
workers_hold(struct workers *workers)
{
	workers->in_transaction = true;
	workers_recycle_call_off(workers);
}

static void
end_transaction(struct workers *workers)
{
	workers->in_transaction = false;
	for (uint32_t i = 0; i < workers->places; i++) {
		if (workers->row[i].start_after_transaction)
			worker_schedule(&workers->row[i], 0);
		worker_catch_up(&workers->row[i]);
	}
}

static bool
is_part(const struct worker_row *worker, enum workers_part part)
{
	return part == WORKERS_ALL || worker->trial == (part == WORKERS_TRIAL);
}

int
workers_prepare(struct workers *workers, struct gen *gen,
    enum workers_part part, uint32_t *ret_asked, struct error *err)
{
	struct worker_row *worker;
	uint32_t asked = 0;

	workers->in_transaction = true;
	for (uint32_t i = 0; i < workers->places; i++) {
		worker = &workers->row[i];
		if (!is_part(worker, part) || worker->behind ||
		    (worker->state != WORKER_SERVING &&
			worker->state != WORKER_IDLE))
			continue;
		worker_set_state(worker, WORKER_PREPARING);
		/* The fault is ours: do not end a worker that serves. */
		if (worker_send_generation(worker, gen, err) == -1)
			return -1;
		asked++;
	}
	*ret_asked = asked;
	return 0;
}

uint32_t
workers_commit(struct workers *workers, struct gen *gen, enum workers_part part)
{
	struct gen *old = workers->committed;
	struct worker_row *worker;
	uint32_t asked = 0;

	if (part != WORKERS_TRIAL) {
		workers->committed = gen_ref(gen);
		workers->watchdog_ms = gen->settings->watchdog_ms;
		workers->log_level = 0;
		gen_unref(old);
	}
	for (uint32_t i = 0; i < workers->places; i++) {
		worker = &workers->row[i];
		if (worker->state == WORKER_PREPARED) {
			worker_set_state(worker, WORKER_COMMITTING);
			worker_order(worker, MSG_COMMIT, gen);
			asked++;
		} else if (worker->state == WORKER_DOWN &&
		    part != WORKERS_TRIAL && worker_is_wanted(worker)) {
			/* New code: it may live now. */
			worker->backoff_ms = 0;
			worker->start_after_transaction = true;
		}
	}
	end_transaction(workers);
	return asked;
}

static void
abort_one(struct worker_row *worker, const struct gen *gen)
{
	worker_order(worker, MSG_ABORT, gen);
	worker->unconfirmed++;
	worker->unanswered_aborted = worker->unanswered;
	worker_set_state(worker, worker->served ? WORKER_SERVING : WORKER_IDLE);
}

void
workers_abort(struct workers *workers, struct gen *gen)
{
	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].state == WORKER_PREPARING ||
		    workers->row[i].state == WORKER_PREPARED)
			abort_one(&workers->row[i], gen);
	end_transaction(workers);
}

uint32_t
workers_leave_behind(struct workers *workers, const struct gen *gen)
{
	struct worker_row *worker;

	for (uint32_t i = 0; i < workers->count; i++) {
		worker = workers->by_number[i];
		if (!worker->served || !workers_waits_for(workers, i) ||
		    worker->state == WORKER_JOINING ||
		    worker->state == WORKER_ENTERING)
			continue;
		worker->behind = true;
		if (worker->state == WORKER_PREPARING)
			abort_one(worker, gen);
	}
	return workers_waiting(workers);
}

bool
workers_waits_for(const struct workers *workers, uint32_t worker)
{
	const struct worker_row *row = workers->by_number[worker];

	return row->state == WORKER_PREPARING ||
	    row->state == WORKER_COMMITTING || worker_unsettled(row);
}

bool
workers_is_new(const struct workers *workers, uint32_t worker)
{
	return !workers->by_number[worker]->served;
}

void
workers_doing(const struct workers *workers, uint32_t place,
    const struct gen *next, char *text)
{
	doing_text(&workers->row[place], next, text);
}

uint32_t
workers_waiting(const struct workers *workers)
{
	uint32_t waiting = 0;

	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].state == WORKER_PREPARING ||
		    workers->row[i].state == WORKER_COMMITTING)
			waiting++;
	return waiting;
}

bool
workers_set_trial(struct workers *workers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (workers->by_number[i]->state != WORKER_SERVING)
			count = 0;
	for (uint32_t i = 0; i < workers->count; i++)
		workers->by_number[i]->trial = i < count;
	return count > 0;
}

void
workers_end_trial(struct workers *workers)
{
	for (uint32_t i = 0; i < workers->places; i++) {
		if (!workers->row[i].trial)
			continue;
		workers->row[i].trial = false;
		worker_join(&workers->row[i]);
	}
}

bool
workers_in_callback(const struct workers *workers, uint32_t worker,
    const struct gen *gen, const char **ret_callback, uint32_t *ret_listener)
{
	const struct worker_row *row = workers->by_number[worker];
	const struct board_row *board = shm_row(workers->shm, row->index);
	uint32_t callback = row->died_in, i, place;
	uint64_t code = row->died_in_code;

	if (row->child != NULL) {
		callback = atomic_load_explicit(&board->callback,
		    memory_order_relaxed);
		code = atomic_load_explicit(&board->code, memory_order_relaxed);
	}
	if (callback == CALLBACK_NONE || callback >= CALLBACKS ||
	    gen->slots == NULL)
		return false;
	for (i = 0; i < settings_endpoints(gen->settings); i++) {
		/* While code is loaded, its image stands in place of the slot. */
		place = callback == CALLBACK_LOAD
		    ? settings_endpoint(gen->settings, i)->image
		    : gen->slots[i];
		if (code != board_code(gen->number, place))
			continue;
		*ret_callback = callback_name(callback);
		*ret_listener = i;
		return true;
	}
	return false;
}

bool
workers_died_in(const struct workers *workers, uint32_t worker,
    const struct gen *gen, const char **ret_callback, uint32_t *ret_listener)
{
	const struct worker_row *row = workers->by_number[worker];

	switch (row->died_in) {
	case CALLBACK_NONE:
	case CALLBACK_CHECK: /* these have no slot in their code */
	case CALLBACK_LOAD:
	case CALLBACK_UNLOAD:
		return false;
	default:
		break;
	}
	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++)
		if (row->died_in < CALLBACKS && gen->slots != NULL &&
		    gen->slots[i] == (uint32_t)row->died_in_code) {
			*ret_callback = callback_name(row->died_in);
			*ret_listener = i;
			return true;
		}
	return false;
}

bool
workers_any_prepared(const struct workers *workers)
{
	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].state == WORKER_PREPARED)
			return true;
	return false;
}

void
workers_set_log_level(struct workers *workers, int level)
{
	workers->log_level = level;
	for (uint32_t i = 0; i < workers->places; i++)
		worker_send_log_level(&workers->row[i]);
}

void
workers_stop_listener(struct workers *workers, const char *name,
    bool close_active)
{
	const struct msg msg = {
		.type = MSG_STOP_LISTENER,
		.stop_listener.close_active = close_active,
		.stop_listener.name = name,
	};

	for (uint32_t i = 0; i < workers->places; i++) {
		if (workers->row[i].child == NULL)
			continue;
		workers->row[i].unconfirmed++;
		worker_tell(&workers->row[i], &msg);
	}
}

void
workers_stop(struct workers *workers, bool now)
{
	const struct msg msg = { .type = MSG_STOP, .stop.now = now };

	workers->stopping = true;
	workers_recycle_stop(workers);
	for (uint32_t i = 0; i < workers->places; i++) {
		event_del(workers->row[i].timer);
		if (workers->row[i].child == NULL)
			continue;
		worker_tell(&workers->row[i], &msg);
		if (workers->row[i].state != WORKER_LEAVING)
			worker_set_state(&workers->row[i], WORKER_LEAVING);
	}
}

void
workers_kill(struct workers *workers)
{
	for (uint32_t i = 0; i < workers->places; i++)
		if (workers->row[i].child != NULL)
			child_kill(workers->row[i].child,
			    "did not stop in time");
}

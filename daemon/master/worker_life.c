/*
 * worker_life.c: the life of one worker: its start, its way into service, its
 * death and the next start.  A worker that is started again goes through
 * PREPARE and COMMIT as in a transaction, but alone, for the committed
 * generation.
 */

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "ipc/board.h"
#include "ipc/msg.h"
#include "ipc/shm.h"
#include "master/ask.h"
#include "master/child.h"
#include "master/crashes.h"
#include "master/doing.h"
#include "master/event_in.h"
#include "master/gen.h"
#include "master/log_process.h"
#include "master/output.h"
#include "master/spawn.h"
#include "master/worker_row.h"
#include "master/workers.h"

#define BACKOFF_FIRST_MS 100 /* the second time; the first is at once */
#define BACKOFF_MAX_MS 10000
#define BACKOFF_RESET_MS \
	30000 /* a worker that lived so long had a new reason to die */

#define LOST_LINES_MAX (UINT64_C(1) << 48) /* a worker may say anything */

static const char *const state_names[] = {
	[WORKER_DOWN] = "down",
	[WORKER_IDLE] = "idle",
	[WORKER_JOINING] = "joining",
	[WORKER_ENTERING] = "entering",
	[WORKER_SERVING] = "serving",
	[WORKER_PREPARING] = "preparing",
	[WORKER_PREPARED] = "prepared",
	[WORKER_COMMITTING] = "committing",
	[WORKER_LEAVING] = "leaving",
	[WORKER_REPLACED] = "replaced",
};

const char *
worker_state_name(enum worker_state state)
{
	return state_names[state];
}

void
worker_set_state(struct worker_row *worker, enum worker_state state)
{
	struct workers *workers = worker->workers;
	bool was_settled = workers_settled(workers);

	log_debug("worker %u: %s -> %s", worker->number + 1,
	    state_names[worker->state], state_names[state]);
	worker->state = state;
	if (!was_settled && workers_settled(workers))
		workers->ops->on_settled(workers->arg);
}

int
worker_tell(struct worker_row *worker, const struct msg *msg)
{
	int result = child_send(worker->child, msg);

	shm_ring(worker->workers->shm, worker->index);
	return result;
}

static void
give_output(struct worker_row *worker, enum output what, int fd)
{
	if (fd != -1)
		worker_tell(worker,
		    &(struct msg){
			.type = MSG_OUTPUT,
			.fd = fd,
			.output.what = what,
		    });
}

/* An open file of its own, whose flags no other process shares. */
static void
give_own_output(struct worker_row *worker, enum output what, int fd)
{
	int own = fd != -1 ? output_open_anew(fd) : -1;

	give_output(worker, what, own != -1 ? own : fd);
	if (own != -1)
		close(own);
}

/*
 * It may have been started when the log went elsewhere.  What its plugins print
 * becomes objects in a log of them.
 */
static void
give_outputs(struct worker_row *worker, const struct gen *gen)
{
	int lines;

	if (log_process_runs()) {
		lines = log_process_new_lines();
		give_own_output(worker, OUTPUT_PRINTED, log_process_printed());
		give_output(worker, OUTPUT_LINES, lines);
		if (lines != -1)
			close(lines);
	} else if (gen->settings->log.format == LOG_FORMAT_JSON) {
		give_own_output(worker, OUTPUT_STDERR, spawn_json_output());
	}
}

int
worker_order(struct worker_row *worker, enum msg_type type,
    const struct gen *gen)
{
	if (type == MSG_COMMIT)
		give_outputs(worker, gen);
	return worker_tell(worker,
	    &(struct msg){
		.type = type,
		.generation = gen->number,
	    });
}

bool
worker_has_to_answer(const struct worker_row *worker)
{
	return worker->unanswered > 0 || worker->unconfirmed > 0 ||
	    worker->state == WORKER_COMMITTING ||
	    worker->state == WORKER_ENTERING;
}

/* Is it busy with an ABORT or a STOP_LISTENER? */
static bool
is_busy(const struct worker_row *worker)
{
	return worker->unanswered_aborted > 0 || worker->unconfirmed > 0;
}

bool
worker_unsettled(const struct worker_row *worker)
{
	if (worker->state == WORKER_JOINING || worker->state == WORKER_ENTERING)
		return true;
	return worker->state != WORKER_DOWN &&
	    worker->state != WORKER_REPLACED && is_busy(worker) &&
	    !worker->behind;
}

int
worker_send_generation(struct worker_row *worker, const struct gen *gen,
    struct error *err)
{
	/* Also if it is dead by now: then this generation is to blame. */
	worker->asked = gen->number;
	if (gen_send_images(gen, worker->child) == 0 &&
	    gen_send_secrets(gen, worker->child) == 0 &&
	    gen_send_sockets(gen, worker->child, worker->number,
		worker->index) == 0 &&
	    worker_order(worker, MSG_PREPARE, gen) == 0) {
		worker->asked_begun =
		    board_begun(shm_row(worker->workers->shm, worker->index));
		worker->unanswered++;
		return 0;
	}
	if (errno == EPIPE)
		return 0; /* it is dead; its end is reported elsewhere */
	return error_sys(err, "cannot send generation %u to worker %u",
	    gen->number, worker->number + 1);
}

void
worker_join(struct worker_row *worker)
{
	struct error err;

	gen_restore_sockets(worker->workers->committed, worker->number);
	worker_set_state(worker, WORKER_JOINING);
	if (worker_send_generation(worker, worker->workers->committed, &err) ==
	    -1) {
		log_errorx("%s", err.text);
		child_kill(worker->child, "could not be reached");
	}
}

void
worker_catch_up(struct worker_row *worker)
{
	struct workers *workers = worker->workers;

	if (!worker->behind || is_busy(worker) || workers->in_transaction ||
	    worker->state != WORKER_SERVING)
		return;
	worker->behind = false;
	if (worker->serves == workers->committed->number)
		return;
	log_info("worker %u answers again, and follows into generation %u",
	    worker->number + 1, workers->committed->number);
	worker_join(worker);
}

/*
 * Start its process and send the first messages.  0, or -1: no process left.
 */
static int
start_child(struct worker_row *worker, struct error *err)
{
	struct workers *workers = worker->workers;
	struct hello hello = workers->hello;

	if (shm_begin_row(workers->shm, worker->index) == -1)
		return error_sys(err, "cannot start a worker");
	hello.worker = worker->number;
	hello.place = worker->index;
	worker->child = child_spawn(workers->children, "worker", &hello,
	    shm_head_fd(workers->shm), &worker_child_ops, worker, err);
	if (worker->child == NULL) {
		shm_end_row(workers->shm, worker->index);
		return -1;
	}
	return 0;
}

int
worker_spawn(struct worker_row *worker, struct error *err)
{
	if (start_child(worker, err) == -1)
		return -1;
	worker->pid = child_pid(worker->child);
	worker->unanswered = worker->unanswered_aborted = worker->unconfirmed =
	    0;
	worker->asked = worker->serves = 0;
	worker->behind = false;
	worker->born_ms = clock_ms();
	worker->starts++;
	worker->shown = false;
	log_info("worker %u (pid %d) started", worker->number + 1,
	    (int)worker->pid);
	worker_set_state(worker, WORKER_IDLE);
	if (worker_send_rows(worker) == -1 ||
	    worker_send_tickets(worker) == -1) {
		log_error("cannot send worker %u its first messages",
		    worker->number + 1);
		child_kill(worker->child, "could not be reached");
	}
	return 0;
}

void
worker_schedule(struct worker_row *worker, unsigned int ms)
{
	event_in(worker->timer, ms);
}

static unsigned int
next_backoff(struct worker_row *worker)
{
	unsigned int ms = worker->backoff_ms;

	worker->backoff_ms = ms == 0 ? BACKOFF_FIRST_MS : 2 * ms;
	if (worker->backoff_ms > BACKOFF_MAX_MS)
		worker->backoff_ms = BACKOFF_MAX_MS;
	return ms;
}

/* Start a dead one, now or at the end of the running transaction. */
static void
worker_revive(struct worker_row *worker)
{
	struct workers *workers = worker->workers;
	struct error err;
	unsigned int ms;

	if (worker->state != WORKER_DOWN || worker->number == NO_WORKER ||
	    workers->stopping || workers->committed == NULL)
		return;
	worker->start_after_transaction = true;
	if (workers->in_transaction)
		return;
	worker->start_after_transaction = false;
	if (!worker_is_wanted(worker))
		return;
	if (worker_spawn(worker, &err) == 0) {
		worker_join(worker);
		return;
	}
	ms = next_backoff(worker);
	log_errorx("worker %u: %s; trying again in %u ms", worker->number + 1,
	    err.text, ms);
	worker_schedule(worker, ms);
}

void
worker_revive_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	worker_revive(arg);
}

static void
log_death(const struct worker_row *worker, const char *how, unsigned int ms)
{
	int pid = (int)worker->pid;
	const char *lost = worker->served ? "; its connections are lost" : "";

	if (!worker_is_wanted(worker))
		log_errorx("worker %u (pid %d) %s%s", worker->number + 1, pid,
		    how, lost);
	else if (ms == 0)
		log_errorx("worker %u (pid %d) %s%s; starting it again",
		    worker->number + 1, pid, how, lost);
	else
		log_errorx(
		    "worker %u (pid %d) %s%s; starting it again in %u ms",
		    worker->number + 1, pid, how, lost, ms);
}

/* The generation to blame: the one it serves, or the one it prepares. */
static uint32_t
guilty_generation(const struct worker_row *worker)
{
	switch (worker->state) {
	case WORKER_ENTERING:
		return worker->asked;
	case WORKER_PREPARING:
	case WORKER_JOINING:
	case WORKER_COMMITTING:
		break;
	default:
		/* Unless it is still busy with an aborted PREPARE. */
		if (worker->unanswered_aborted == 0)
			return worker->serves;
	}
	/* It may have hung before it read that message. */
	if (worker->serves != 0 && worker->died_in != CALLBACK_NONE &&
	    worker->died_in_code >> 32 != worker->asked)
		return worker->serves;
	return worker->asked;
}

/* What the board shows, if the worker could not write a report itself. */
static void
tell_from_board(const struct worker_row *worker, struct crash *crash)
{
	char name[DOING_MAX], line[DOING_MAX + 64];

	if (worker->died_in != CALLBACK_NONE) {
		doing_name(worker, NULL, worker->died_in, worker->died_in_code,
		    name, sizeof(name));
		snprintf(line, sizeof(line), "in %s", name);
	} else if (doing_last(worker, worker->died_in_code, name,
		       sizeof(name))) {
		/* It may have set a timer, or have started a thread. */
		snprintf(line, sizeof(line),
		    "in no callback; the last one was of %s", name);
	} else {
		snprintf(line, sizeof(line), "in no callback");
	}
	crash_make_report(crash, line);
}

static void
describe_crash(struct worker_row *worker, const char *how,
    struct crash *ret_crash)
{
	const struct board_row *row =
	    shm_row(worker->workers->shm, worker->index);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	ret_crash->time_ms =
	    (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	ret_crash->worker = worker->number;
	ret_crash->pid = worker->pid;
	snprintf(ret_crash->how, sizeof(ret_crash->how), "%s", how);
	crash_take_report(ret_crash, row);
	worker->died_in =
	    atomic_load_explicit(&row->callback, memory_order_relaxed);
	worker->died_in_code =
	    atomic_load_explicit(&row->code, memory_order_relaxed);
	ret_crash->generation = guilty_generation(worker);
	ret_crash->connections = worker->served
	    ? shm_worker_connections(worker->workers->shm, worker->index)
	    : 0;
	if (ret_crash->text[0] == '\0')
		tell_from_board(worker, ret_crash);
}

/* One that workers_dismiss() has sent away. */
static void
gone_as_told(struct worker_row *worker)
{
	log_info("worker %u (pid %d) has left", worker->number + 1,
	    (int)worker->pid);
	worker->served = worker->behind = false;
	worker_set_state(worker, WORKER_DOWN);
}

void
worker_gone(struct worker_row *worker, const char *how, bool clean)
{
	struct workers *workers = worker->workers;
	enum worker_state was = worker->state;
	uint32_t number = worker->number;
	bool trial = worker->trial;
	struct crash crash = { 0 };
	unsigned int ms;

	worker->child = NULL;
	ask_gone(worker);
	describe_crash(worker, how, &crash);
	workers->lost_lines += worker_lost_lines(worker);
	shm_end_row(workers->shm, worker->index);
	if (workers->stopping) {
		/* exit(0) in a callback is no clean end. */
		if (!clean || worker->died_in != CALLBACK_NONE) {
			log_warnx("worker %u (pid %d) %s while stopping",
			    worker->number + 1, (int)worker->pid, how);
			crash_log(&crash);
		}
		worker_set_state(worker, WORKER_DOWN);
		if (workers_alive(workers) == 0)
			workers->ops->on_all_gone(workers->arg);
		return;
	}
	if (worker_is_beside(worker)) {
		worker_left(worker, how, clean, &crash);
		return;
	}
	worker_recycle_failed(worker, how);
	if (was == WORKER_LEAVING && clean &&
	    worker->died_in == CALLBACK_NONE) {
		gone_as_told(worker);
		return;
	}
	if (clock_ms() - worker->born_ms >= BACKOFF_RESET_MS)
		worker->backoff_ms = 0;
	ms = next_backoff(worker);
	log_death(worker, how, ms);
	crash_log(&crash);
	worker->served = worker->trial = worker->behind = false;
	/*
	 * From the loop, even if at once: the caller may be deep in the stack.
	 */
	if (!worker_has_successor(worker))
		worker_schedule(worker, ms);
	worker_set_state(worker, WORKER_DOWN);
	workers->ops->on_crash(workers->arg, &crash);
	if (trial)
		workers->ops->on_lost(workers->arg, number, how);
	else if (was == WORKER_COMMITTING)
		workers->ops->on_committed(workers->arg, number);
	else if (was == WORKER_PREPARING || was == WORKER_PREPARED)
		workers->ops->on_lost(workers->arg, number, how);
}

/*
 * If nothing that was aborted keeps it busy any more, it catches up, or the
 * transaction is told that all are settled.
 */
static void
look_whether_back(struct worker_row *worker)
{
	struct workers *workers = worker->workers;

	if (is_busy(worker))
		return;
	if (worker->behind)
		worker_catch_up(worker);
	else if (workers_settled(workers))
		workers->ops->on_settled(workers->arg);
}

uint64_t
worker_lost_lines(const struct worker_row *worker)
{
	const struct board_row *row =
	    shm_row(worker->workers->shm, worker->index);
	uint64_t lines =
	    atomic_load_explicit(&row->log_loss.lines, memory_order_relaxed);

	return lines < LOST_LINES_MAX ? lines : LOST_LINES_MAX;
}

void
worker_done(struct worker_row *worker)
{
	worker->unconfirmed--;
	look_whether_back(worker);
}

void
worker_answered_aborted(struct worker_row *worker)
{
	worker->unanswered_aborted--;
	look_whether_back(worker);
}

void
worker_prepared(struct worker_row *worker)
{
	struct workers *workers = worker->workers;

	if (worker_show_row(worker) == -1)
		return; /* it is being killed, and its end is reported */
	if (worker->state == WORKER_PREPARING) {
		worker_set_state(worker, WORKER_PREPARED);
		workers->ops->on_prepared(workers->arg, worker->number);
	} else if (worker->state == WORKER_JOINING) {
		/* It had answered before it was killed for a reload. */
		if (worker->replaces != NULL && workers->recycle.called_off)
			return;
		worker_take_over(worker);
		worker_order(worker, MSG_COMMIT, workers->committed);
		worker_set_state(worker, WORKER_ENTERING);
	}
}

void
worker_refused(struct worker_row *worker)
{
	struct workers *workers = worker->workers;

	if (worker->state == WORKER_PREPARING)
		workers->ops->on_refused(workers->arg, worker->number);
	else if (worker->state == WORKER_JOINING)
		child_kill(worker->child, "refused the committed generation");
}

void
worker_send_log_level(struct worker_row *worker)
{
	const struct msg msg = { .type = MSG_LOG_LEVEL,
		.log.level = (uint32_t)worker->workers->log_level };

	if (worker->child != NULL && worker->workers->log_level != 0)
		worker_tell(worker, &msg);
}

void
worker_committed(struct worker_row *worker)
{
	struct workers *workers = worker->workers;
	bool in_transaction = worker->state == WORKER_COMMITTING;

	worker->served = true;
	worker->serves = worker->asked;
	worker_set_state(worker, WORKER_SERVING);
	worker_send_log_level(worker); /* COMMIT has set the configured one */
	if (in_transaction)
		workers->ops->on_committed(workers->arg, worker->number);
	else
		worker_took_over(worker);
}

/*
 * reload.c: the transaction as a machine of a few states.  A function for each
 * stage begins it; what ends it are events: a child's answer or death, or the
 * deadline.  Whatever goes wrong before COMMIT leads to refuse(); from COMMIT
 * on nothing can go wrong any more but a worker's death, after which it comes
 * up in the new generation.
 */

#include "master/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>

#include "error.h"
#include "log.h"
#include "master/build.h"
#include "master/gen.h"
#include "master/notify.h"
#include "master/sockets.h"
#include "master/verdict.h"
#include "master/workers.h"
#include "settings.h"
#include "shm.h"

#define PREPARE_MS 5000 /* the workers do nothing else meanwhile */

enum reload_state {
	RELOAD_IDLE,
	RELOAD_BUILD,  /* reader and probe; they have their own deadlines */
	RELOAD_SETTLE, /* workers that are coming up; theirs too */
	RELOAD_PREPARE,
	RELOAD_COMMIT, /* each worker has its own deadline */
	RELOAD_STOPPED,
};

static const char *const state_names[] = {
	[RELOAD_IDLE] = "idle",
	[RELOAD_BUILD] = "build",
	[RELOAD_SETTLE] = "settle",
	[RELOAD_PREPARE] = "prepare",
	[RELOAD_COMMIT] = "commit",
	[RELOAD_STOPPED] = "stopped",
};

struct reload {
	struct children *children;
	struct sockets *sockets;
	struct slots *slots;
	struct workers *workers; /* NULL until the first generation is read */
	const char *config;
	const struct reload_ops *ops;
	void *arg;
	enum reload_state state;
	struct build *build;
	struct gen *next; /* being built */
	struct gen *committed;
	struct gen *old;  /* while the workers leave it */
	uint32_t waiting; /* for so many workers */
	struct verdict verdict;
	struct event *deadline; /* of PREPARE */
	struct event *again;	/* begins the next one */
	char who[64];		/* wanted it */
	bool wanted;		/* one more */
	unsigned int pause_ms;	/* between the last one and it */
	uint64_t ended_ms;	/* the last one */
};

static void
set_state(struct reload *reload, enum reload_state state)
{
	log_debug("reload: %s -> %s", state_names[reload->state],
	    state_names[state]);
	reload->state = state;
}

static void
set_timer(struct event *timer, unsigned int ms)
{
	struct timeval when = { ms / 1000, (ms % 1000) * 1000 };

	event_add(timer, &when);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One more, when it may begin and nothing runs. */
static void
schedule(struct reload *reload)
{
	uint64_t now = now_ms(), begin = reload->ended_ms + reload->pause_ms;

	if (reload->state == RELOAD_IDLE && reload->wanted)
		set_timer(reload->again,
		    begin <= now ? 0 : (unsigned int)(begin - now));
}

/* Back to rest, whatever the verdict was. */
static void
finish(struct reload *reload, bool good)
{
	event_del(reload->deadline);
	set_state(reload, RELOAD_IDLE);
	reload->ended_ms = now_ms();
	schedule(reload);
	reload->ops->on_done(reload->arg, good);
}

static void
refuse(struct reload *reload)
{
	unsigned int problems = reload->verdict.problems;
	char text[64];

	gen_unref(reload->next);
	reload->next = NULL;
	count_text(problems, "problem", text);
	if (reload->committed == NULL) {
		log_errorx("could not start: %s", text);
		notify_status("could not start: %s", text);
	} else {
		log_errorx("reload refused: %s; keeping generation %u", text,
		    reload->committed->number);
		notify_status("reload refused: %s; keeping generation %u", text,
		    reload->committed->number);
		notify_ready();
	}
	finish(reload, false);
}

static void
complete(struct reload *reload)
{
	const struct settings *settings = reload->committed->settings;
	char listeners[64], workers[64];

	gen_apply(reload->committed);
	gen_log_sockets(reload->committed, reload->old);
	/* The last reference to sockets that nobody serves any more. */
	gen_unref(reload->old);
	reload->old = NULL;
	count_text(settings->listener_count, "listener", listeners);
	count_text(workers_count(reload->workers), "worker", workers);
	log_info("generation %u ready: %s, %s", reload->committed->number,
	    listeners, workers);
	notify_status("generation %u: %s, %s", reload->committed->number,
	    listeners, workers);
	notify_ready();
	finish(reload, true);
}

static void
tell_problem(void *arg, const struct origin *origin, const char *text)
{
	struct reload *reload = arg;

	verdict_add(&reload->verdict, LOG_LEVEL_ERROR,
	    origin == NULL ? "" : origin->file,
	    origin == NULL ? 0 : origin->line, text);
}

static void
stage_commit(struct reload *reload)
{
	const struct settings *settings = reload->next->settings;
	const struct gen_teller teller = { tell_problem, reload };

	event_del(reload->deadline);
	if (gen_listen(reload->next, &teller) > 0) {
		workers_abort(reload->workers, reload->next);
		refuse(reload);
		return;
	}
	set_state(reload, RELOAD_COMMIT);
	reload->old = reload->committed;
	reload->committed = reload->next;
	reload->next = NULL;
	log_configure((enum log_level)settings->log_level,
	    (enum log_format)settings->log_format);
	reload->waiting = workers_commit(reload->workers, reload->committed);
	if (reload->waiting == 0)
		complete(reload);
}

static void
stage_prepare(struct reload *reload)
{
	struct error err;

	set_state(reload, RELOAD_PREPARE);
	set_timer(reload->deadline, PREPARE_MS);
	if (workers_prepare(reload->workers, reload->next, &reload->waiting,
		&err) == -1) {
		verdict_say(&reload->verdict, "%s", err.text);
		workers_abort(reload->workers, reload->next);
		refuse(reload);
	} else if (reload->waiting == 0) {
		stage_commit(reload);
	}
}

static void
stage_settle(struct reload *reload)
{
	set_state(reload, RELOAD_SETTLE);
	workers_hold(reload->workers);
	if (workers_settled(reload->workers))
		stage_prepare(reload);
}

/* What the processes were started with stays. */
static void
check_restart_keys(struct reload *reload)
{
	struct origin origin;
	const char *key;
	char text[128];

	if (reload->committed == NULL)
		return;
	key = settings_restart_key(reload->committed->settings,
	    reload->next->settings, &origin);
	if (key == NULL)
		return;
	snprintf(text, sizeof(text), "%s cannot change without a restart", key);
	verdict_add(&reload->verdict, LOG_LEVEL_ERROR,
	    origin.line != 0 ? origin.file : reload->config, origin.line, text);
}

static void
stage_bind(struct reload *reload)
{
	const struct gen_teller teller = { tell_problem, reload };

	check_restart_keys(reload);
	if (reload->verdict.problems == 0 && reload->workers == NULL &&
	    reload->ops->on_settings(reload->arg, reload->next->settings,
		&reload->workers, &reload->slots) == -1)
		reload->verdict.problems++;
	if (reload->verdict.problems == 0)
		gen_bind(reload->next, reload->sockets, reload->slots,
		    workers_count(reload->workers), &teller);
	if (reload->verdict.problems > 0)
		refuse(reload);
	else
		stage_settle(reload);
}

static void
on_build_problem(void *arg, int level, const char *file, uint32_t line,
    const char *text)
{
	struct reload *reload = arg;

	verdict_add(&reload->verdict, level, file, line, text);
}

static void
on_build_done(void *arg, struct gen *gen)
{
	struct reload *reload = arg;

	reload->build = NULL;
	reload->next = gen;
	if (gen == NULL)
		refuse(reload);
	else
		stage_bind(reload);
}

static const struct build_ops build_ops = {
	.on_problem = on_build_problem,
	.on_done = on_build_done,
};

static void
stage_build(struct reload *reload)
{
	uint32_t number = 1;
	struct error err;

	reload->wanted = false;
	verdict_clear(&reload->verdict);
	set_state(reload, RELOAD_BUILD);
	if (reload->committed != NULL) {
		number = reload->committed->number + 1;
		log_info("reloading (%s)", reload->who);
		notify_reloading();
	}
	reload->build = build_start(reload->children, reload->config, number,
	    false, &build_ops, reload, &err);
	if (reload->build == NULL) {
		verdict_say(&reload->verdict, "%s", err.text);
		refuse(reload);
	}
}

static void
reload_again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct reload *reload = arg;

	(void)fd;
	(void)what;
	if (reload->state == RELOAD_IDLE && reload->wanted)
		stage_build(reload);
}

static void
reload_late_cb(evutil_socket_t fd, short what, void *arg)
{
	struct reload *reload = arg;
	char late[160];

	(void)fd;
	(void)what;
	workers_list_late(reload->workers, late, sizeof(late));
	verdict_say(&reload->verdict, "%s did not answer within %u s", late,
	    PREPARE_MS / 1000);
	workers_abort(reload->workers, reload->next);
	refuse(reload);
}

void
reload_on_prepared(struct reload *reload, uint32_t worker)
{
	(void)worker;
	if (reload->state == RELOAD_PREPARE && --reload->waiting == 0)
		stage_commit(reload);
}

void
reload_on_refused(struct reload *reload, uint32_t worker)
{
	if (reload->state != RELOAD_PREPARE)
		return;
	if (reload->verdict.problems == 0)
		verdict_say(&reload->verdict,
		    "worker %u refused it without a reason", worker + 1);
	workers_abort(reload->workers, reload->next);
	refuse(reload);
}

void
reload_on_lost(struct reload *reload, uint32_t worker, const char *how)
{
	if (reload->state != RELOAD_PREPARE)
		return;
	verdict_say(&reload->verdict,
	    "worker %u %s while preparing "
	    "generation %u",
	    worker + 1, how, reload->next->number);
	workers_abort(reload->workers, reload->next);
	refuse(reload);
}

void
reload_on_committed(struct reload *reload, uint32_t worker)
{
	(void)worker;
	if (reload->state == RELOAD_COMMIT && --reload->waiting == 0)
		complete(reload);
}

void
reload_on_settled(struct reload *reload)
{
	if (reload->state == RELOAD_SETTLE)
		stage_prepare(reload);
}

void
reload_on_problem(struct reload *reload, uint32_t worker, int level,
    const char *file, uint32_t line, const char *text)
{
	if (reload->state == RELOAD_PREPARE)
		verdict_add(&reload->verdict, level, file, line, text);
	else if (*file == '\0')
		log_at((enum log_level)level, "worker %u: %s", worker + 1, text);
	else
		log_at((enum log_level)level, "worker %u: %s:%u: %s",
		    worker + 1, file, line, text);
}

struct reload *
reload_new(struct event_base *base, struct children *children,
    struct sockets *sockets, const char *config, const struct reload_ops *ops,
    void *arg)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (reload == NULL)
		return NULL;
	reload->children = children;
	reload->sockets = sockets;
	reload->config = config;
	reload->ops = ops;
	reload->arg = arg;
	reload->deadline = event_new(base, -1, 0, reload_late_cb, reload);
	reload->again = event_new(base, -1, 0, reload_again_cb, reload);
	if (reload->deadline == NULL || reload->again == NULL) {
		reload_free(reload);
		return NULL;
	}
	return reload;
}

void
reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	build_cancel(reload->build);
	gen_unref(reload->next);
	gen_unref(reload->old);
	gen_unref(reload->committed);
	if (reload->deadline != NULL)
		event_free(reload->deadline);
	if (reload->again != NULL)
		event_free(reload->again);
	free(reload);
}

void
reload_request(struct reload *reload, const char *who, unsigned int pause_ms)
{
	/* Who is in a hurry overrules who is not. */
	if (reload->state == RELOAD_STOPPED ||
	    (reload->wanted && pause_ms >= reload->pause_ms))
		return;
	snprintf(reload->who, sizeof(reload->who), "%s", who);
	reload->pause_ms = pause_ms;
	reload->wanted = true;
	schedule(reload);
}

void
reload_stop(struct reload *reload)
{
	build_cancel(reload->build);
	reload->build = NULL;
	if (reload->state == RELOAD_PREPARE)
		workers_abort(reload->workers, reload->next);
	gen_unref(reload->next);
	reload->next = NULL;
	gen_unref(reload->old);
	reload->old = NULL;
	event_del(reload->deadline);
	event_del(reload->again);
	set_state(reload, RELOAD_STOPPED);
}

struct gen *
reload_committed(const struct reload *reload)
{
	return reload->committed;
}

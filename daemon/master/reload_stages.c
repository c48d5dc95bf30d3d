/*
 * reload_stages.c: the transaction as a machine of a few states.  A function
 * for each stage begins it, and events end it: a child's answer or death, or a
 * deadline.  Whatever goes wrong before COMMIT leads to reload_fail().  After
 * COMMIT only a worker can die, and then it comes up in the new generation.
 */

#include "master/output_json.h"
#include "master/reload.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/build.h"
#include "master/gen.h"
#include "master/log_process.h"
#include "master/notify.h"
#include "master/reload_internal.h"

void
reload_tell_problem(void *arg, const struct origin *origin, const char *text)
{
	struct reload *reload = arg;

	verdict_add(&reload->verdict, LOG_LEVEL_ERROR,
	    origin == NULL ? "" : origin->file,
	    origin == NULL ? 0 : origin->line, text);
}

void
reload_fail(struct reload *reload)
{
	if (reload->part == WORKERS_REST)
		reload_stage_back(reload);
	else
		reload_refuse(reload);
}

/* All workers that were told have answered, or are gone. */
static void
stage_committed(struct reload *reload)
{
	reload_patience_end(reload);
	if (reload->part != WORKERS_TRIAL) {
		reload_complete(reload);
		return;
	}
	reload->part = WORKERS_REST;
	if (reload->verdict.problems > 0 || *reload->ended != '\0')
		reload_stage_back(reload);
	else
		reload_stage_canary(reload);
}

static void
commit_all(struct reload *reload)
{
	const struct settings *settings = reload->next->settings;

	reload->old = reload->committed;
	reload->committed = reload->next;
	reload->next = NULL;
	gen_unref(reload->first);
	reload->first = NULL;
	/* Crashes until now were those of the generation before. */
	if (reload->kind != KIND_DRAIN)
		probation_end(&reload->probation);
	log_configure((enum log_level)settings->log.level,
	    (enum log_format)settings->log.format);
	output_json_format((enum log_format)settings->log.format);
	log_process_aim(&settings->log);
	if (reload->ops->on_commit != NULL)
		reload->ops->on_commit(reload->arg, settings);
	reload->waiting =
	    workers_commit(reload->workers, reload->committed, reload->part);
}

static void
stage_commit(struct reload *reload)
{
	const struct gen_teller teller = { reload_tell_problem, reload };
	bool trial = reload->part == WORKERS_TRIAL;

	reload_patience_end(reload);
	if (gen_listen(reload->next, trial ? reload->canary.size : ALL_WORKERS,
		&teller) > 0) {
		workers_abort(reload->workers, reload->next);
		reload_fail(reload);
		return;
	}
	reload_set_state(reload, RELOAD_COMMIT);
	reload->last_number = reload->next->number;
	if (trial)
		reload->waiting =
		    workers_commit(reload->workers, reload->next, reload->part);
	else
		commit_all(reload);
	if (reload->waiting == 0)
		stage_committed(reload);
	else
		reload_patience_begin(reload);
}

static void
stage_prepare(struct reload *reload)
{
	struct error err;

	reload_choose_part(reload);
	reload_set_state(reload, RELOAD_PREPARE);
	reload_patience_begin(reload);
	if (workers_prepare(reload->workers, reload->next, reload->part,
		&reload->waiting, &err) == -1) {
		verdict_say(&reload->verdict, "%s", err.text);
		workers_abort(reload->workers, reload->next);
		reload_fail(reload);
	} else if (reload->waiting == 0) {
		stage_commit(reload);
	}
}

/* Bind what is new.  What is wrong is in the verdict. */
static void
bind_next(struct reload *reload)
{
	const struct gen_teller teller = { reload_tell_problem, reload };
	struct gen *next = reload->next;
	struct error err;

	if (next->modes == NULL && drains_keep(reload) == -1) {
		verdict_say(&reload->verdict, "out of memory");
		return;
	}
	if (reload->tried != NULL)
		gen_keep_aside(next, reload->tried);
	if (reload->verdict.problems > 0)
		return;
	if (workers_assign(reload->workers, next, &err) == -1)
		verdict_say(&reload->verdict, "%s", err.text);
	else
		gen_bind(next, reload->sockets, reload->slots,
		    workers_count(reload->workers), &teller);
}

/*
 * This has to wait until all workers have settled: before that they may still
 * hold sockets that are needed again.
 */
static void
stage_bind(struct reload *reload)
{
	struct error err;

	if (log_process_prepare(&reload->next->settings->log, &err) == -1)
		verdict_say(&reload->verdict, "%s", err.text);
	/* After a canary, for the other workers, they are bound already. */
	if (reload->next->slots == NULL)
		bind_next(reload);
	if (reload->verdict.problems == 0) {
		stage_prepare(reload);
		return;
	}
	workers_abort(reload->workers, reload->next);
	reload_fail(reload);
}

void
reload_stage_settle(struct reload *reload)
{
	reload_set_state(reload, RELOAD_SETTLE);
	workers_hold(reload->workers);
	if (workers_settled(reload->workers))
		stage_bind(reload);
	else
		reload_patience_begin(reload);
}

/* Keys that cannot change while the processes run. */
static void
tell_restart_key(const struct reload *reload, const struct gen *gen,
    const struct gen_teller *teller)
{
	const struct gen *before =
	    reload->committed != NULL ? reload->committed : reload->first;
	struct origin origin;
	const char *key;
	char text[128];

	if (before == NULL)
		return;
	key = settings_restart_key(before->settings, gen->settings, &origin);
	if (key == NULL)
		return;
	if (origin.line == 0)
		origin.file = reload->config;
	snprintf(text, sizeof(text), "%s cannot change without a restart", key);
	teller->tell(teller->arg, &origin, text);
}

void
reload_tell_obstacles(const struct reload *reload, const struct gen *gen,
    const struct gen_teller *teller)
{
	tell_restart_key(reload, gen, teller);
	reload_tell_rolled_back(reload, gen, teller);
}

static void
make_workers(struct reload *reload)
{
	if (reload->ops->on_settings(reload->arg, reload->next->settings,
		&reload->workers, &reload->slots) == -1)
		reload->verdict.problems++;
	else
		reload->first = gen_ref(reload->next);
}

void
reload_stage_check(struct reload *reload)
{
	const struct gen_teller teller = { reload_tell_problem, reload };

	tell_restart_key(reload, reload->next, &teller);
	reload_check_refused(reload);
	if (reload->verdict.problems == 0 && reload->workers == NULL)
		make_workers(reload);
	if (reload->verdict.problems > 0)
		reload_fail(reload);
	else
		reload_stage_settle(reload);
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
		reload_fail(reload);
	else
		reload_stage_check(reload);
}

static void
on_build_source(void *arg, const char *path)
{
	struct reload *reload = arg;

	if (reload->ops->on_source != NULL)
		reload->ops->on_source(reload->arg, path);
}

/* A reload changes it by its COMMIT; a start has nothing to keep. */
static void
on_build_log_format(void *arg, enum log_format format)
{
	const struct reload *reload = arg;

	if (reload->committed == NULL)
		log_configure(LOG_LEVEL_INFO, format);
}

static const struct build_ops build_ops = {
	.on_log_format = on_build_log_format,
	.on_source = on_build_source,
	.on_problem = on_build_problem,
	.on_done = on_build_done,
};

void
reload_stage_build(struct reload *reload)
{
	struct error err;

	verdict_clear(&reload->verdict);
	reload_set_state(reload, RELOAD_BUILD);
	if (reload->ops->on_begin != NULL)
		reload->ops->on_begin(reload->arg);
	if (reload->committed != NULL) {
		log_info("reloading (%s)", reload->who);
		notify_reloading();
	}
	reload->build = build_start(reload->children, reload->config,
	    reload->last_number + 1, false, &build_ops, reload, &err);
	if (reload->build == NULL) {
		verdict_say(&reload->verdict, "%s", err.text);
		reload_fail(reload);
	}
}

void
reload_tell_trouble(struct reload *reload, uint32_t worker, const char *names,
    const char *what)
{
	const struct listener_settings *listener;
	char text[ERROR_TEXT_MAX];
	const char *callback;
	uint32_t index;

	if (!workers_in_callback(reload->workers, worker, reload->next,
		&callback, &index)) {
		verdict_say(&reload->verdict,
		    "%s %s while preparing generation %u", names, what,
		    reload->next->number);
		return;
	}
	listener = settings_endpoint(reload->next->settings, index);
	snprintf(text, sizeof(text), "%s \"%s\": %s of plugin \"%s\": %s %s",
	    endpoint_kind(listener), listener->name, callback, listener->plugin,
	    names, what);
	verdict_add(&reload->verdict, LOG_LEVEL_ERROR,
	    listener->plugin_origin.file, listener->plugin_origin.line, text);
}

void
reload_go_on(struct reload *reload)
{
	if (reload->state == RELOAD_SETTLE && workers_settled(reload->workers))
		stage_bind(reload);
	else if (reload->state == RELOAD_PREPARE && reload->waiting == 0)
		stage_commit(reload);
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
		    "worker %u refused the generation without giving a reason",
		    worker + 1);
	workers_abort(reload->workers, reload->next);
	reload_fail(reload);
}

static void
lost_while_preparing(struct reload *reload, uint32_t worker, const char *how)
{
	char name[32];

	/*
	 * Crashes are the reason for a rescue, so they do not end it: the
	 * worker comes up in the old generation.
	 */
	if (reload->kind != KIND_RELOAD) {
		reload->waiting = workers_waiting(reload->workers);
		if (reload->waiting == 0)
			stage_commit(reload);
		return;
	}
	if (reload->committed == NULL && aside_at_start(reload, worker, how)) {
		reload_go_on(reload);
		return;
	}
	snprintf(name, sizeof(name), "worker %u", worker + 1);
	reload_tell_trouble(reload, worker, name, how);
	workers_abort(reload->workers, reload->next);
	reload_fail(reload);
}

void
reload_on_lost(struct reload *reload, uint32_t worker, const char *how)
{
	bool on_trial =
	    reload_in_canary(reload) && worker < reload->canary.size;

	if (on_trial ||
	    (reload->state == RELOAD_COMMIT && reload->part == WORKERS_TRIAL))
		verdict_say(&reload->verdict,
		    "canary: worker %u %s in generation %u", worker + 1, how,
		    reload->next->number);
	else if (reload->state == RELOAD_PREPARE)
		lost_while_preparing(reload, worker, how);
	if (reload->state == RELOAD_COMMIT && reload->part == WORKERS_TRIAL) {
		reload->waiting = workers_waiting(reload->workers);
		if (reload->waiting == 0)
			stage_committed(reload);
	} else if (on_trial) {
		workers_abort(reload->workers, reload->next);
		reload_stage_back(reload);
	}
}

void
reload_on_committed(struct reload *reload, uint32_t worker)
{
	(void)worker;
	if (reload->state == RELOAD_COMMIT && --reload->waiting == 0)
		stage_committed(reload);
}

void
reload_on_settled(struct reload *reload)
{
	if (reload->state == RELOAD_SETTLE)
		stage_bind(reload);
	else if (reload->state == RELOAD_BACK)
		reload_refuse(reload);
}

void
reload_on_problem(struct reload *reload, uint32_t worker, int level,
    const char *file, uint32_t line, const char *text)
{
	if (reload->state == RELOAD_PREPARE)
		verdict_add(&reload->verdict, level, file, line, text);
	else if (*file == '\0')
		log_at((enum log_level)level, "worker %u: %s", worker + 1,
		    text);
	else
		log_at((enum log_level)level, "worker %u: %s:%u: %s",
		    worker + 1, file, line, text);
}

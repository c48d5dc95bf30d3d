/*
 * master.c: the life of the daemon: signals, the first generation, the end.
 * Owns everything the master has; it decides what to do, and the other modules
 * do it.  After the start nothing but a signal ends it.
 */

#include "master/master.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/title.h"
#include "config/settings.h"
#include "master/child.h"
#include "master/control_diff.h"
#include "master/crashes.h"
#include "master/events.h"
#include "master/expiry.h"
#include "master/gen.h"
#include "master/leaving.h"
#include "master/log_process.h"
#include "master/master_internal.h"
#include "master/notify.h"
#include "master/output.h"
#include "master/page.h"
#include "master/premises.h"
#include "master/reload.h"
#include "master/signals.h"
#include "master/slots.h"
#include "master/sockets.h"
#include "master/upgrade.h"
#include "master/watch.h"
#include "master/workers.h"

#define REFUSED_STOPS_MAX 1 /* lines per second */
#define SETTLE_MS 1000	    /* for log lines that are on their way */

static void
leave(struct master *master, int status)
{
	master->exit_status = status;
	event_base_loopbreak(master->base);
}

/* Our own workers have left; those of a program before us may drain. */
static void
on_left(void *arg)
{
	struct master *master = arg;

	master->left = true;
	if (succession_left(&master->succession) == 0)
		leave(master, EXIT_SUCCESS);
}

static void
on_bygones_gone(void *arg)
{
	struct master *master = arg;

	if (master->left)
		leave(master, EXIT_SUCCESS);
	else if (succession_failed(&master->succession))
		leave(master, EXIT_FAILURE);
}

static void
on_signal_stop(void *arg, const char *name)
{
	struct master *master = arg;

	control_step_aside(master->control);
	succession_stop(&master->succession, false);
	leaving_stop(master->leaving, master->reload, master->workers, name);
}

static void
on_signal_quit(void *arg, const char *name)
{
	struct master *master = arg;

	control_step_aside(master->control);
	succession_stop(&master->succession, true);
	leaving_quit(master->leaving, master->reload, master->workers, name);
}

static void
on_signal_reload(void *arg, const char *name)
{
	struct master *master = arg;

	if (leaving_begun(master->leaving))
		log_info("%s: no reload, since sluiced is stopping", name);
	else
		reload_request(master->reload, name);
}

static void
on_signal_upgrade(void *arg, const char *name)
{
	struct master *master = arg;

	upgrade_request(master->succession.upgrade, name, NULL);
}

static bool
on_signal_reopen(void *arg)
{
	(void)arg;
	return log_process_reopen();
}

static const struct signals_ops signals_ops = {
	.on_reload = on_signal_reload,
	.on_stop = on_signal_stop,
	.on_quit = on_signal_quit,
	.on_upgrade = on_signal_upgrade,
	.on_reopen = on_signal_reopen,
};

/* Events of the table of workers go to the transaction, or are handled here. */

static void
on_prepared(void *arg, uint32_t worker)
{
	struct master *master = arg;

	reload_on_prepared(master->reload, worker);
}

static void
on_refused(void *arg, uint32_t worker)
{
	struct master *master = arg;

	reload_on_refused(master->reload, worker);
}

static void
on_committed(void *arg, uint32_t worker)
{
	struct master *master = arg;

	reload_on_committed(master->reload, worker);
}

static void
on_lost(void *arg, uint32_t worker, const char *how)
{
	struct master *master = arg;

	reload_on_lost(master->reload, worker, how);
}

static void
on_crash(void *arg, const struct crash *crash)
{
	struct master *master = arg;

	crashes_add(master->crashes, crash);
	event_tell_crash(crash);
	if (!crash->beside)
		reload_on_crash(master->reload, crash);
}

static void
on_settled(void *arg)
{
	struct master *master = arg;

	reload_on_settled(master->reload);
}

static void
on_problem(void *arg, uint32_t worker, int level, const char *file,
    uint32_t line, const char *text)
{
	struct master *master = arg;

	reload_on_problem(master->reload, worker, level, file, line, text);
}

static void
on_plugin_reload(void *arg, uint32_t worker)
{
	struct master *master = arg;

	reload_request_by_plugin(master->reload, worker);
}

static void
sum_up_stops(struct log_limit *limit, uint32_t skipped)
{
	(void)limit;
	log_warnx("%u more requests of plugins to stop a listener were refused",
	    skipped);
}

static void
on_stop_listener(void *arg, uint32_t worker, const char *name,
    const char *plugin, bool close_active)
{
	struct master *master = arg;

	/*
	 * The listener may belong to another plugin or worker, always or since
	 * a reload.
	 */
	if (slots_given(master->slots, name,
		workers_place(master->workers, worker)) &&
	    reload_stop_listener(master->reload, worker, name, plugin,
		close_active))
		return;
	if (log_limit(&master->refused_stops, REFUSED_STOPS_MAX, NULL))
		log_warnx("worker %u: plugin %.64s may not stop listener %s, "
			  "which it does not serve",
		    worker + 1, plugin, name);
}

const struct workers_ops master_workers_ops = {
	.on_prepared = on_prepared,
	.on_refused = on_refused,
	.on_committed = on_committed,
	.on_lost = on_lost,
	.on_crash = on_crash,
	.on_settled = on_settled,
	.on_problem = on_problem,
	.on_reload = on_plugin_reload,
	.on_stop_listener = on_stop_listener,
	.on_all_gone = on_left,
};

/* Those before us drain first: the sockets are ours, so clients can wait. */
static void
on_commit(void *arg, const struct settings *settings)
{
	struct master *master = arg;

	(void)settings;
	succession_commit(&master->succession);
}

static void
on_reload_done(void *arg, bool good)
{
	struct master *master = arg;
	struct gen *gen = reload_committed(master->reload);

	succession_verdict(&master->succession, good);
	/*
	 * A start that fails ends the daemon, unless others still serve; a
	 * reload that fails changes nothing.
	 */
	if (!good && gen == NULL && succession_left(&master->succession) == 0)
		leave(master, EXIT_FAILURE);
	/* A rollback reads no certificates. */
	if (good && gen->as == 0)
		expiry_restart(master->expiry);
	if (good)
		page_serve(master->page, gen);
	watch_end(master->watch, good, gen != NULL ? gen->number : 0);
	if (reload_was_held_up(master->reload))
		watch_again(master->watch);
}

static void
on_reload_begin(void *arg)
{
	struct master *master = arg;

	control_check(master->control);
	watch_begin(master->watch);
}

static void
on_source(void *arg, const char *path)
{
	struct master *master = arg;

	watch_add(master->watch, path);
}

static const struct reload_ops reload_ops = {
	.on_begin = on_reload_begin,
	.on_source = on_source,
	.on_settings = master_on_settings,
	.on_commit = on_commit,
	.on_done = on_reload_done,
};

static void
on_change(void *arg, const char *who)
{
	struct master *master = arg;

	reload_request(master->reload, who);
}

static const struct watch_ops watch_ops = {
	.on_change = on_change,
};

static const struct settings *
committed_settings(void *arg)
{
	const struct master *master = arg;
	const struct gen *gen = reload_committed(master->reload);

	return gen != NULL ? gen->settings : NULL;
}

/* Such a limit is meant for processes that end by themselves. */
static void
warn_of_cpu_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CPU, &limit) == 0 &&
	    limit.rlim_max != RLIM_INFINITY)
		log_warnx(
		    "there is a limit of CPU time, RLIMIT_CPU: the kernel "
		    "will kill each of our processes that has used "
		    "%llu s; see ulimit -t, or LimitCPU= in the unit",
		    (unsigned long long)limit.rlim_max);
}

static int
master_init(struct master *master, const char *config, bool verbose)
{
	struct takeover_parts *parts = &master->succession.parts;

	master->base = master_base();
	if (master->base == NULL || log_limit_begin(master->base) == -1)
		return -1;
	notify_init(master->base);
	log_process_init(master->base);
	master->children = children_new(master->base);
	master->sockets = sockets_new(&master->inherited);
	master->crashes = crashes_new();
	if (master->children == NULL || master->sockets == NULL ||
	    master->crashes == NULL)
		return -1;
	if (verbose)
		children_verbose(master->children);
	master->reload = reload_new(master->base, master->children,
	    master->sockets, config, &reload_ops, master);
	master->signals = signals_new(master->base, &signals_ops, master);
	master->leaving =
	    leaving_new(master->base, master->children, on_left, master);
	master->expiry = expiry_new(master->base, EXPIRY_EVERY_MS,
	    committed_settings, master);
	master->page =
	    page_new(master->base, master->children, &master->subject);
	if (master->reload == NULL || master->leaving == NULL ||
	    master->page == NULL || master->signals == NULL ||
	    master->expiry == NULL)
		return -1;
	parts->inherited = &master->inherited;
	parts->sockets = master->sockets;
	parts->reload = master->reload;
	master->succession.leaving = master->leaving;
	if (succession_init(&master->succession, master->base, master->children,
		config, on_bygones_gone, master) == -1)
		return -1;
	/* Of those that have ended before we could hear of it. */
	children_reap(master->children);
	return 0;
}

static void
master_done(struct master *master)
{
	log_limit_end();
	/* A module goes before those that it refers to. */
	control_free(master->control);
	control_diffs_free(master->diffs);
	succession_done(&master->succession);
	page_free(master->page);
	watch_free(master->watch);
	expiry_free(master->expiry);
	reload_free(master->reload);
	workers_free(master->workers);
	slots_free(master->slots);
	sockets_free(master->sockets);
	children_free(master->children);
	crashes_free(master->crashes);
	signals_free(master->signals);
	leaving_free(master->leaving);
	notify_done();
	log_process_detach();
	if (master->base != NULL)
		event_base_free(master->base);
	inherited_done(&master->inherited);
	takeover_done(&master->succession.takeover);
}

__attribute__((noreturn)) static void
abandon_bygones(void)
{
	log_errorx("the workers of the program before this one drain");
	log_settle(SETTLE_MS);
	_exit(EXIT_FAILURE);
}

int
master_main(const char *config, bool verbose, bool watch)
{
	struct master master;
	struct error err;

	memset(&master, 0, sizeof(master));
	master.refused_stops.sum_up = sum_up_stops;
	master.exit_status = EXIT_FAILURE;
	master.config = config;
	title_set("master %s", config);
	/* Before a descriptor is opened that could take a number of these. */
	if (takeover_begin(&master.succession.takeover, &master.inherited) ==
	    -1)
		return EXIT_FAILURE;
	output_append();
	log_init("master");
	log_never_wait();
	if (premises_check(&err) == -1) {
		log_errorx("cannot start: %s", err.text);
	} else if (master_init(&master, config, verbose) == -1 ||
	    (watch &&
		(master.watch = watch_new(master.base, config, &watch_ops,
		     &master)) == NULL)) {
		log_error("cannot start");
		/* By our end they know that they have to drain. */
		if (master.succession.takeover.here)
			abandon_bygones();
	} else {
		/* From this line on signals are obeyed. */
		log_info("sluiced " PACKAGE_VERSION " starting, configuration "
			 "%s",
		    config);
		warn_of_cpu_limit();
		reload_request(master.reload, "start");
		event_base_dispatch(master.base);
	}
	master_done(&master);
	log_info("stopped");
	return master.exit_status;
}

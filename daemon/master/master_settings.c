/*
 * master_settings.c: what the master makes when it knows the first settings: the
 * table of workers, and the control socket.  After an upgrade these may have to
 * be made more than once.
 */

#include "master/master_internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/control_diff.h"
#include "master/slots.h"
#include "master/workers.h"

/* What the control socket and the status page show. */
static void
note_subject(struct master *master)
{
	time_t before_s = master->succession.takeover.started_s;

	master->subject = (struct control_subject){
		.config = master->config,
		.started_s =
		    before_s != 0 ? before_s : (time_t)(clock_ms() / 1000),
		.reload = master->reload,
		.workers = master->workers,
		.slots = master->slots,
		.crashes = master->crashes,
		.upgrade = master->succession.upgrade,
		.bygones = master->succession.parts.bygones,
	};
	master->succession.parts.started_s = master->subject.started_s;
}

static int
start_control(struct master *master, const struct settings *settings)
{
	struct error err;

	succession_make_way(&master->succession);
	if (settings->control == NULL)
		return 0;
	master->diffs =
	    control_diffs_new(master->children, master->reload, master->config);
	if (master->diffs == NULL) {
		log_error("cannot make the control socket");
		return -1;
	}
	master->subject.diffs = master->diffs;
	master->control = control_new(master->base, settings, &master->subject,
	    &master->succession.takeover.control, &err);
	if (master->control != NULL)
		return 0;
	log_errorx("%s:%u: %s", settings->control_origin.file,
	    settings->control_origin.line, err.text);
	return -1;
}

/* Another try makes them anew, and may come to other settings. */
static void
undo_settings(struct master *master)
{
	control_free(master->control);
	control_diffs_free(master->diffs);
	workers_free(master->workers);
	slots_free(master->slots);
	master->control = NULL;
	master->diffs = NULL;
	master->workers = NULL;
	master->slots = NULL;
}

static int
make_workers(struct master *master, const struct settings *settings)
{
	master->workers = workers_new(master->base, master->children, settings,
	    &master_workers_ops, master);
	if (master->workers != NULL)
		master->slots = slots_new(workers_shm(master->workers));
	if (master->slots != NULL &&
	    takeover_workers(&master->succession.takeover, master->workers,
		master->slots) == 0)
		return 0;
	log_error("cannot set up %lld workers", (long long)settings->workers);
	return -1;
}

int
master_on_settings(void *arg, const struct settings *settings,
    struct workers **ret_workers, struct slots **ret_slots)
{
	struct master *master = arg;
	int result;

	result = make_workers(master, settings);
	if (result == 0) {
		note_subject(master);
		result = start_control(master, settings);
	}
	if (result == -1) {
		undo_settings(master);
		return -1;
	}
	succession_begin(&master->succession, master->workers, master->slots,
	    master->control);
	*ret_workers = master->workers;
	*ret_slots = master->slots;
	return 0;
}

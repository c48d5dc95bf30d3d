/* master_internal.h: all that the master has, for master*.c. */

#ifndef SLUICE_MASTER_INTERNAL_H
#define SLUICE_MASTER_INTERNAL_H

#include <stdbool.h>

#include "base/log_limit.h"
#include "master/control.h"
#include "master/inherited.h"
#include "master/succession.h"

struct settings;
struct workers_ops;

struct master {
	const char *config;
	struct succession succession;
	struct event_base *base;
	struct children *children;
	struct inherited inherited;
	struct sockets *sockets;
	struct workers *workers; /* NULL until the first settings are known */
	struct slots *slots;
	struct log_limit refused_stops;
	struct reload *reload;
	struct watch *watch; /* NULL: without --watch */
	struct crashes *crashes;
	struct control_diffs *diffs; /* NULL: no control socket */
	struct expiry *expiry;
	struct control *control; /* NULL: none is configured */
	struct control_subject subject;
	struct page *page;
	struct signals *signals;
	struct leaving *leaving;
	bool left; /* all that is ours has ended */
	int exit_status;
};

extern const struct workers_ops master_workers_ops;

/*
 * master_settings.c, as reload_ops has it: make what needs settings.  What fails
 * is undone.
 */
int master_on_settings(void *arg, const struct settings *settings,
    struct workers **ret_workers, struct slots **ret_slots);

#endif

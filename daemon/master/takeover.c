/*
 * takeover.c: what one program packs, the next unpacks in the same order.  The
 * part up to the workers is unpacked when the modules are made, and the rest
 * with the first settings, when the workers are.
 */

#include "master/takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/aside.h"
#include "master/bygones.h"
#include "master/control.h"
#include "master/control_closed.h"
#include "master/gen.h"
#include "master/inherited.h"
#include "master/notify.h"
#include "master/reload.h"
#include "master/slots.h"
#include "master/sockets.h"
#include "master/workers.h"

/* What has waited for our workers in vain waits for the next program's. */
static void
pass_on(const struct takeover *takeover, struct handover *handover)
{
	struct taken rest = takeover->taken; /* from where we have come to */

	workers_pass_on_numbers(&rest, handover);
	slots_pass_on(&rest, handover);
}

void
takeover_pack(const struct takeover *takeover,
    const struct takeover_parts *parts, struct handover *handover)
{
	const struct gen *gen = reload_committed(parts->reload);

	inherited_hand_over(parts->inherited, handover);
	pack_u64(&handover->packer, (uint64_t)parts->started_s);
	pack_u64(&handover->packer,
	    gen != NULL ? gen->settings->drain_timeout_ms : takeover->drain_ms);
	pack_u64(&handover->packer,
	    gen != NULL ? gen->settings->upgrade_drain_ms
			: takeover->upgrade_drain_ms);
	sockets_hand_over(parts->sockets, handover);
	if (parts->control != NULL)
		control_hand_over(parts->control, handover);
	else
		control_path_hand_over(&takeover->control, handover);
	reload_hand_over(parts->reload, handover);
	workers_hand_over(parts->workers, parts->bygones, handover);
	if (parts->workers == NULL) {
		pass_on(takeover, handover);
		return;
	}
	workers_hand_over_numbers(parts->workers, handover);
	slots_hand_over(parts->slots, handover);
}

int
takeover_begin(struct takeover *takeover, struct inherited *ret_inherited)
{
	struct error err;
	int found;

	takeover->client = takeover->control.fd = -1;
	found = taken_open(&takeover->taken, &err);
	if (found == 0)
		return inherited_take(ret_inherited);
	if (found == -1) {
		log_errorx("%s", err.text);
		return -1;
	}
	takeover->here = true;
	takeover->version = unpack_string(&takeover->taken.unpacker);
	takeover->client = taken_fd(&takeover->taken);
	return inherited_take_over(ret_inherited, &takeover->taken);
}

int
takeover_modules(struct takeover *takeover, const struct takeover_parts *parts)
{
	struct taken *taken = &takeover->taken;

	if (!takeover->here)
		return 0;
	takeover->started_s = (time_t)unpack_u64(&taken->unpacker);
	takeover->drain_ms = unpack_u64(&taken->unpacker);
	takeover->upgrade_drain_ms = unpack_u64(&taken->unpacker);
	if (sockets_take_over(parts->sockets, taken) == -1)
		return -1;
	control_path_take_over(&takeover->control, taken);
	if (reload_take_over(parts->reload, taken) == -1 ||
	    bygones_take(parts->bygones, taken) == -1)
		return -1;
	if (taken->unpacker.failed) {
		log_errorx("what the program before us left is cut short");
		return -1;
	}
	log_info("sluiced " PACKAGE_VERSION " takes over from sluiced %s; "
		 "workers that serve on: %u",
	    takeover->version, bygones_count(parts->bygones));
	return 0;
}

int
takeover_workers(const struct takeover *takeover, struct workers *workers,
    struct slots *slots)
{
	struct taken rest = takeover->taken; /* from where we have come to */

	if (!takeover->here)
		return 0;
	workers_take_over(workers, &rest);
	if (slots_take_over(slots, &rest) == -1)
		return -1;
	return rest.unpacker.failed ? fail(EPROTO) : 0;
}

void
takeover_used(struct takeover *takeover)
{
	if (!takeover->here)
		return;
	workers_close_numbers(&takeover->taken);
	taken_close(&takeover->taken);
}

static void
answer(struct takeover *takeover, bool good, const char *reasons,
    const char *verdict)
{
	if (takeover->client == -1)
		return;
	control_tell_last(takeover->client, good, reasons, verdict);
	takeover->client = -1;
}

void
takeover_failed(uint32_t left)
{
	if (left == 0) {
		log_errorx("sluiced " PACKAGE_VERSION " cannot serve, and no "
			   "worker of the program before it is left: ending");
		return;
	}
	log_errorx("sluiced " PACKAGE_VERSION " cannot serve; the old workers "
		   "serve on: mend what is wrong, then reload by SIGHUP, or "
		   "put another sluiced in its place and upgrade by SIGUSR2");
	notify_status("sluiced " PACKAGE_VERSION
		      " cannot serve; the old workers serve on");
	notify_ready();
}

void
takeover_stop(struct takeover *takeover)
{
	answer(takeover, false, "", "sluiced is stopping");
	/* A successor can have the path. */
	if (takeover->control.fd != -1)
		control_path_step_aside(&takeover->control);
}

void
takeover_verdict(struct takeover *takeover, const struct takeover_parts *parts,
    bool good)
{
	const struct reload_verdict *last = reload_last_verdict(parts->reload);

	if (!takeover->here || takeover->over)
		return;
	answer(takeover, good, last->reasons, last->text);
	if (!good) {
		takeover_failed(bygones_count(parts->bygones));
		return;
	}
	takeover->over = true;
	sockets_release(parts->sockets);
	/* Without `control` in the configuration nobody has used it. */
	control_path_close(&takeover->control);
}

void
takeover_done(struct takeover *takeover)
{
	taken_close(&takeover->taken);
	control_path_close(&takeover->control);
	if (takeover->client != -1)
		aside_drop(takeover->client);
	free(takeover->version);
}

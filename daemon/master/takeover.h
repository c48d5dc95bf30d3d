/*
 * takeover.h: the master after an upgrade, until it serves: the order of all
 * that goes over, on both sides, and the answer to the client that waits.
 */

#ifndef SLUICE_MASTER_TAKEOVER_H
#define SLUICE_MASTER_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "master/control_path.h"
#include "master/handover.h"

struct bygones;
struct control;
struct inherited;
struct reload;
struct slots;
struct sockets;
struct workers;

/* The modules of a master, borrowed. */
struct takeover_parts {
	const struct inherited *inherited;
	struct sockets *sockets;
	struct bygones *bygones;
	struct reload *reload;
	struct workers *workers;
	struct slots *slots;
	const struct control *control;
	time_t started_s;
};

struct takeover {
	bool here; /* there was a program before us */
	bool over; /* and we serve in its place */
	struct taken taken;
	char *version; /* its own */
	int client;    /* waits for an answer; -1: none */
	struct control_path control;
	time_t started_s;
	/* Its drain_timeout and upgrade_drain. */
	uint64_t drain_ms, upgrade_drain_ms;
};

/*
 * All that goes over to the next program.  What waits for our workers is passed
 * on as it is, as long as there are none.
 */
void takeover_pack(const struct takeover *takeover,
    const struct takeover_parts *parts, struct handover *handover);

/*
 * First of all.  As inherited_take() if there was no program before us.  0 or
 * -1; it is logged or printed what fails.
 */
int takeover_begin(struct takeover *takeover, struct inherited *ret_inherited);
/* When all but the workers are there.  0 or -1; the same. */
int takeover_modules(struct takeover *takeover,
    const struct takeover_parts *parts);
/* When the workers are; again with others if these are given up.  0 or -1. */
int takeover_workers(const struct takeover *takeover, struct workers *workers,
    struct slots *slots);
/* They are not given up. */
void takeover_used(struct takeover *takeover);
/* A verdict: answer, and log what that means. */
void takeover_verdict(struct takeover *takeover,
    const struct takeover_parts *parts, bool good);
/*
 * We cannot serve: log what that means, and tell the service manager that the
 * service goes on, if workers of the program before us are left.
 */
void takeover_failed(uint32_t left);
/* There will be no verdict: the daemon stops. */
void takeover_stop(struct takeover *takeover);
void takeover_done(struct takeover *takeover);

#endif

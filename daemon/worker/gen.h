/*
 * gen.h: the worker's part of a reload: PREPARE builds the next
 * generation beside the running one, COMMIT puts it in its place by changing
 * one pointer per listener, ABORT drops it.
 */

#ifndef SLUICE_WORKER_GEN_H
#define SLUICE_WORKER_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/listener.h"

struct material;
struct settings;

/* One configuration that listeners work by; freed with the last reference. */
struct gen {
	unsigned int refs;
	uint32_t number;
	struct settings *settings;
};

/* All listeners of this worker, also those that only drain. */
extern struct listeners listeners;

/* The one that is committed, or NULL. */
const struct gen *gen_current(void);

/*
 * Build what the material describes.  Runs `start` and `reload` of services
 * that changed.  Returns 0, or -1 after reporting problems; nothing is left
 * then.  Takes what it needs out of the material.
 */
int gen_prepare(struct material *material);
/* Not under a callback.  Without a prepared generation of this number: -1. */
int gen_commit(uint32_t number);
void gen_abort(void);

/* Take some connections along.  Returns true when there are more. */
bool gen_sweep(void);

/* Free listeners that are gone and have no connection left. */
void gen_reap(void);

/* Free everything.  All connections have ended. */
void gen_done(void);

/* The listener that is configured under this name, or NULL. */
struct listener *gen_find(const char *name);

#endif

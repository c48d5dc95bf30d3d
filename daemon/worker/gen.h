/*
 * gen.h: the worker's part of a reload.  PREPARE builds the next generation
 * beside the running one.  COMMIT replaces the running one by changing one
 * pointer per listener.  ABORT drops the new one.
 */

#ifndef SLUICE_WORKER_GEN_H
#define SLUICE_WORKER_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/listener.h"

struct material;
struct settings;

/* A generation that listeners use; freed with the last reference. */
struct gen {
	unsigned int refs;
	uint32_t number;
	struct settings *settings;
	/* Its listeners and connectors, sorted; those of the worker alone. */
	struct listener **by_name;
	uint32_t by_name_count;
};

/* All listeners of this worker, including those that only drain. */
extern struct listeners listeners;

/* The committed generation, or NULL. */
const struct gen *gen_current(void);

/*
 * Build the generation that the material describes.  Runs `start` and `reload`
 * of services that changed.  Takes what it needs out of the material.  Returns
 * 0, or -1 after reporting all problems; then nothing is prepared.
 */
int gen_prepare(struct material *material);
/*
 * Not under a callback.  Returns 0, or -1 if no generation of this number is
 * prepared.
 */
int gen_commit(uint32_t number);
/* Drop what is prepared, if anything. */
void gen_abort(void);

/* Move some connections to current code.  Returns true if there are more. */
bool gen_sweep(void);

/* End unused services, and free gone listeners without connections. */
void gen_reap(void);

/* Free everything.  All connections have ended. */
void gen_done(void);

/* The listener that is configured under this name, or NULL. */
struct listener *gen_find(const char *name);

#endif

/*
 * slots.h: a listener's place in the counts that all workers share.  It goes
 * with the name, and is not given to another one while a connection of the old
 * one is still counted there, unless no other is left: what workers count is
 * only what they say.
 */

#ifndef SLUICE_MASTER_SLOTS_H
#define SLUICE_MASTER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

struct shm;
struct slots;

#define SLOT_NONE UINT32_MAX

/* shm is borrowed, and outlives it.  NULL: no memory. */
struct slots *slots_new(struct shm *shm);
void slots_free(struct slots *slots);

/*
 * A reference to the slot of that name; SLOT_NONE: no memory, or all are taken.
 */
uint32_t slots_ref(struct slots *slots, const char *name);
void slots_unref(struct slots *slots, uint32_t slot);

/* That worker serves it: what it counts there is to be believed. */
void slots_give(struct slots *slots, uint32_t slot, uint32_t worker);
/*
 * Has its process been told to serve the listener of that name, now or before?
 */
bool slots_given(const struct slots *slots, const char *name, uint32_t worker);

/* Whose it is, or was last; NULL: nobody's so far. */
const char *slots_name(const struct slots *slots, uint32_t slot);

#endif

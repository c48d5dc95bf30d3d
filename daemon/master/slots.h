/*
 * slots.h: a listener's slot in the counts that all workers share.  The slot
 * belongs to the listener's name.  Another listener does not get it while
 * connections of the old one are counted there.  If no other slot is left it
 * gets it nevertheless, since workers may count wrongly.
 */

#ifndef SLUICE_MASTER_SLOTS_H
#define SLUICE_MASTER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

struct handover;
struct shm;
struct slots;
struct taken;

#define SLOT_NONE UINT32_MAX

/* shm is borrowed, and outlives it.  NULL: no memory. */
struct slots *slots_new(struct shm *shm);
void slots_free(struct slots *slots);

/*
 * A reference to the slot of that name; SLOT_NONE: no memory, or all are taken.
 */
uint32_t slots_ref(struct slots *slots, const char *name);
void slots_unref(struct slots *slots, uint32_t slot);

/*
 * Pack what was counted for each listener; and take it over: a listener of that
 * name begins with it.  0, or -1: no memory.
 */
void slots_hand_over(const struct slots *slots, struct handover *handover);
int slots_take_over(struct slots *slots, struct taken *taken);
/* What nobody has taken goes over once more. */
void slots_pass_on(struct taken *taken, struct handover *handover);

/* The process at that place serves it: its counts in this slot are valid. */
void slots_give(struct slots *slots, uint32_t slot, uint32_t place);
/*
 * Has it been told to serve the listener of that name, now or before?
 */
bool slots_given(const struct slots *slots, const char *name, uint32_t place);

/* The listener that has it, or had it last; NULL: none so far. */
const char *slots_name(const struct slots *slots, uint32_t slot);

#endif

/* slots.c: names to numbers. */

#include "master/slots.h"

#include <stdlib.h>
#include <string.h>

#include "config/settings.h"
#include "ipc/shm.h"

struct slots {
	struct shm *shm;
	struct slot {
		char *name;
		unsigned int refs;
	} slot[LISTENERS_MAX];
};

struct slots *
slots_new(struct shm *shm)
{
	struct slots *slots = calloc(1, sizeof(*slots));

	if (slots != NULL)
		slots->shm = shm;
	return slots;
}

void
slots_free(struct slots *slots)
{
	if (slots == NULL)
		return;
	for (uint32_t i = 0; i < LISTENERS_MAX; i++)
		free(slots->slot[i].name);
	free(slots);
}

static uint32_t
find_name(const struct slots *slots, const char *name)
{
	for (uint32_t i = 0; i < LISTENERS_MAX; i++)
		if (slots->slot[i].name != NULL &&
		    strcmp(slots->slot[i].name, name) == 0)
			return i;
	return SLOT_NONE;
}

static uint32_t
find_free(const struct slots *slots)
{
	for (uint32_t i = 0; i < LISTENERS_MAX; i++)
		if (slots->slot[i].refs == 0 &&
		    shm_connections(slots->shm, i) == 0)
			return i;
	/*
	 * A worker that counts wrongly must not keep new listeners out.
	 */
	for (uint32_t i = 0; i < LISTENERS_MAX; i++)
		if (slots->slot[i].refs == 0)
			return i;
	return SLOT_NONE;
}

uint32_t
slots_ref(struct slots *slots, const char *name)
{
	uint32_t slot = find_name(slots, name);
	char *copy;

	if (slot == SLOT_NONE) {
		slot = find_free(slots);
		if (slot == SLOT_NONE || (copy = strdup(name)) == NULL)
			return SLOT_NONE;
		free(slots->slot[slot].name);
		slots->slot[slot].name = copy;
		shm_take_slot(slots->shm, slot);
	}
	slots->slot[slot].refs++;
	return slot;
}

void
slots_give(struct slots *slots, uint32_t slot, uint32_t place)
{
	shm_give_slot(slots->shm, place, slot);
}

bool
slots_given(const struct slots *slots, const char *name, uint32_t place)
{
	uint32_t slot = find_name(slots, name);

	return slot != SLOT_NONE && shm_slot_given(slots->shm, place, slot);
}

const char *
slots_name(const struct slots *slots, uint32_t slot)
{
	return slot < LISTENERS_MAX ? slots->slot[slot].name : NULL;
}

void
slots_unref(struct slots *slots, uint32_t slot)
{
	if (slot != SLOT_NONE)
		slots->slot[slot].refs--;
}

/* slots.c: names to numbers. */

#include "master/slots.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "config/settings.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "master/handover.h"

/* What the program before us has counted for a listener. */
struct old_count {
	LIST_ENTRY(old_count) entry;
	char *name;
	struct counts_sum sum;
};

struct slots {
	struct shm *shm;
	LIST_HEAD(, old_count) old; /* until a listener begins with it */
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

static void
drop_old(struct old_count *old)
{
	LIST_REMOVE(old, entry);
	free(old->name);
	free(old);
}

void
slots_free(struct slots *slots)
{
	if (slots == NULL)
		return;
	while (!LIST_EMPTY(&slots->old))
		drop_old(LIST_FIRST(&slots->old));
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

static void
begin_with_old(struct slots *slots, uint32_t slot)
{
	struct old_count *old;

	LIST_FOREACH(old, &slots->old, entry)
		if (strcmp(old->name, slots->slot[slot].name) == 0)
			break;
	if (old == NULL)
		return;
	shm_begin_with(slots->shm, slot, &old->sum);
	drop_old(old);
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
		begin_with_old(slots, slot);
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

static void
pack_one(struct handover *handover, const char *name,
    const struct counts_sum *sum)
{
	pack_u32(&handover->packer, true);
	pack_string(&handover->packer, name);
	counts_sum_pack(sum, &handover->packer);
}

void
slots_hand_over(const struct slots *slots, struct handover *handover)
{
	const struct old_count *old;
	struct counts_sum sum;
	uint32_t count = 0;

	for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
		if (slots->slot[i].name == NULL)
			continue;
		shm_sum_listener(slots->shm, i, &sum);
		pack_one(handover, slots->slot[i].name, &sum);
		count++;
	}
	/* A start that failed may not have come to them; but not for ever. */
	LIST_FOREACH(old, &slots->old, entry)
		if (count++ < LISTENERS_MAX)
			pack_one(handover, old->name, &old->sum);
	pack_u32(&handover->packer, false); /* no more */
}

void
slots_pass_on(struct taken *taken, struct handover *handover)
{
	struct counts_sum sum;
	char *name;

	while (unpack_bool(&taken->unpacker)) {
		name = unpack_string(&taken->unpacker);
		counts_sum_unpack(&sum, &taken->unpacker);
		pack_one(handover, name, &sum);
		free(name);
	}
	pack_u32(&handover->packer, false); /* no more */
}

int
slots_take_over(struct slots *slots, struct taken *taken)
{
	struct old_count *old;

	while (unpack_bool(&taken->unpacker)) {
		old = calloc(1, sizeof(*old));
		if (old == NULL)
			return -1;
		LIST_INSERT_HEAD(&slots->old, old, entry);
		old->name = unpack_string(&taken->unpacker);
		counts_sum_unpack(&old->sum, &taken->unpacker);
		if (old->name == NULL)
			return -1;
	}
	return 0;
}
